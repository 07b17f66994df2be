#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bases: 6.12 6.1
# smc: inet
# profiles: fast
# lab:
# label: vm
#
# Programs as they are, under smc_run and with IPPROTO_SMC written in, against
# plain TCP peers; ss shows both ends of a connection as the programs'.
set -euo pipefail
# shellcheck source=../vmlib.sh
. "$SMC_SOURCE_DIR/tests/vm/vmlib.sh"

smc=("$VM_SMC_RUN" -f inet)
dir=$T_TMP/www
mkdir "$dir"
head -c 3000000 /dev/urandom >"$dir/file"

# asked COMMAND...: COMMAND under smc_run does open IPPROTO_SMC sockets.
asked() {
	{ "${smc[@]}" -d "$@" 2>&1 >/dev/null || true; } |
		grep -qx 'libsmc-preload: map sock to IPPROTO_SMC'
}

# mapped PORT: so did the server there, which was started with -d.
mapped() {
	t_check "$2: asks for SMC" grep -qx 'libsmc-preload: map sock to IPPROTO_SMC' \
		"$T_TMP/server.$1"
}

# owned NAME PORT: the listening socket on PORT is, for ss, one of NAME.
owned() {
	ss -tlnpH "sport = :$2" | grep -q "\"$1\""
}

# fetches NAME PORT COMMAND...: what COMMAND gets from PORT is the file.
fetches() {
	local name=$1 port=$2
	shift 2
	"$@" -sS --max-time 60 -o "$T_TMP/got" "http://127.0.0.1:$port/file" ||
		true
	t_check "$name" cmp "$dir/file" "$T_TMP/got"
	rm -f "$T_TMP/got"
}

t_check "curl asks for SMC" asked curl -s http://127.0.0.1:1/

# python3: its http.server under smc_run, and a server that says IPPROTO_SMC.
vm_serve 8001 "${smc[@]}" -d /usr/bin/python3 -m http.server -d "$dir" 8001
mapped 8001 http.server
t_check "http.server: ss shows the process" owned python3 8001
fetches "http.server under smc_run, plain curl" 8001 curl
fetches "http.server and curl under smc_run" 8001 "${smc[@]}" curl

cat >"$T_TMP/explicit.py" <<'END'
import functools, http.server, socket, socketserver, sys

class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    def __init__(self, address, handler):
        super().__init__(address, handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 256)
        self.server_bind()
        self.server_activate()

handler = functools.partial(http.server.SimpleHTTPRequestHandler,
                            directory=sys.argv[2])
Server(("127.0.0.1", int(sys.argv[1])), handler).serve_forever()
END
vm_serve 8002 /usr/bin/python3 "$T_TMP/explicit.py" 8002 "$dir"
t_check "IPPROTO_SMC in python: ss shows the process" owned python3 8002
fetches "IPPROTO_SMC in python, plain curl" 8002 curl
fetches "IPPROTO_SMC in python, curl under smc_run" 8002 "${smc[@]}" curl
cat >"$T_TMP/client.py" <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 256)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET /file HTTP/1.0\r\n\r\n")
data = s.makefile("rb").read()
sys.stdout.buffer.write(data[data.index(b"\r\n\r\n") + 4:])
END

# nginx: the listener is opened by the master, sendfile() by workers.
cat >"$T_TMP/nginx.conf" <<END
user root;
worker_processes 2;
daemon off;
pid $T_TMP/nginx.pid;
error_log $T_TMP/nginx.log;
events { }
http {
	access_log off;
	sendfile on;
	server { listen 127.0.0.1:8003; listen [::1]:8003; root $dir; }
	server { listen 127.0.0.1:8004 so_keepalive=on deferred reuseport;
		 location / { proxy_pass http://127.0.0.1:8003; } }
}
END
mkdir -p /var/lib/nginx
vm_serve 8003 "${smc[@]}" -d "$LAB_NGINX" -e "$T_TMP/nginx.log" -c "$T_TMP/nginx.conf"
mapped 8003 nginx
t_check "nginx: ss shows the process" owned nginx 8003
fetches "nginx under smc_run, plain curl" 8003 curl
fetches "nginx and curl under smc_run" 8003 "${smc[@]}" curl
fetches "nginx as a proxy to itself" 8004 curl
t_check "nginx, IPPROTO_SMC in python" sh -c \
	"/usr/bin/python3 '$T_TMP/client.py' 8003 | cmp - '$dir/file'"
vm_serve 8005 /usr/bin/python3 -m http.server -d "$dir" 8005
fetches "plain http.server and curl under smc_run" 8005 "${smc[@]}" curl
t_check "plain http.server, IPPROTO_SMC in python" sh -c \
	"/usr/bin/python3 '$T_TMP/client.py' 8005 | cmp - '$dir/file'"

# redis: epoll, many clients.  Debian's redis-server is a link to this binary.
ln -sf /usr/bin/redis-check-rdb "$T_TMP/redis-server"
vm_serve 6401 "${smc[@]}" -d "$T_TMP/redis-server" --port 6401 --save ''
vm_serve 6402 "$T_TMP/redis-server" --port 6402 --save ''
mapped 6401 redis
t_check "redis: ss shows the process" owned redis-server 6401
t_check "redis-benchmark asks for SMC" asked redis-benchmark -p 6402 -n 10 -t set
# load NAME PORT COMMAND...: every request is answered.
load() {
	local name=$1 port=$2
	shift 2
	t_is "$("$@" redis-benchmark -p "$port" -c 20 -n 3000 -t set,get --csv 2>&1 |
		grep -c '^"[SG]ET",')" 2 "$name"
}
load "redis under smc_run, plain benchmark" 6401
load "plain redis, benchmark under smc_run" 6402 "${smc[@]}"
load "redis and benchmark under smc_run" 6401 "${smc[@]}"

# A connection of sockets that asked for SMC on both sides.
/usr/bin/python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 256)
s.connect(("127.0.0.1", 6401))
time.sleep(1000)
' &
holder=$!
# shown NAME WHICH: the end with port 6401 WHICH (sport, dport) is, for ss, NAME's.
shown() {
	ss -tnpH state established "$2 = :6401" | grep -q "\"$1\""
}
t_check "ss -tnp: the client's end" vm_until 10 shown python3 dport
t_check "ss -tnp: the server's end" shown redis-server sport
kill $holder
t_done
