// SPDX-License-Identifier: MIT

// go_http server PORT DIR: files of DIR over HTTP.  go_http get URL: the body to
// standard output.  As Go has it: without libc, by its own system calls.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 4 && os.Args[1] == "server":
		files := http.FileServer(http.Dir(os.Args[3]))
		log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], files))
	case len(os.Args) == 3 && os.Args[1] == "get":
		answer, err := http.Get(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		if _, err = io.Copy(os.Stdout, answer.Body); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatal("usage: go_http server PORT DIR | get URL")
	}
}
