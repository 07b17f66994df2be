// SPDX-License-Identifier: MIT

// go_http server PORT DIR: files of DIR over HTTP.  go_http get URL: the body to
// standard output.  go_http speed URL: what 20 times that make, in MB/s.  As Go has
// it: without libc, by its own system calls.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

// get writes what is at url to out, and returns how much it was.
func get(url string, out io.Writer) int64 {
	answer, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(out, answer.Body)
	if err != nil {
		log.Fatal(err)
	}
	return n
}

func main() {
	log.SetFlags(0)
	switch {
	case len(os.Args) == 4 && os.Args[1] == "server":
		files := http.FileServer(http.Dir(os.Args[3]))
		log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], files))
	case len(os.Args) == 3 && os.Args[1] == "get":
		get(os.Args[2], os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == "speed":
		var n int64
		start := time.Now()
		for i := 0; i < 20; i++ {
			n += get(os.Args[2], io.Discard)
		}
		fmt.Printf("%.2f\n", float64(n)/1e6/time.Since(start).Seconds())
	default:
		log.Fatal("usage: go_http server PORT DIR | get URL | speed URL")
	}
}
