// SPDX-License-Identifier: MIT
//
// echo.js server PORT: sends back what comes.  echo.js data PORT FILE: does it?
// echo.js speed PORT FILE: 10 clients with messages as FILE; how many a second.
"use strict";
const fs = require("node:fs");
const net = require("node:net");

const clients = 10, messages = 100;
const [what, port, file] = process.argv.slice(2);

function client(message, count)
{
	return new Promise((resolve) => {
		const socket = net.connect(port, "127.0.0.1");
		const back = Buffer.alloc(message.length);
		let have = 0, done = 0;

		socket.on("connect", () => socket.write(message));
		socket.on("error", (err) => { throw err; });
		socket.on("data", (data) => {
			have += data.copy(back, have);
			if (have < message.length)
				return;
			if (!back.equals(message))
				throw new Error("other data came back");
			have = 0;
			if (++done < count) {
				socket.write(message);
				return;
			}
			socket.end();
			resolve();
		});
	});
}

async function main()
{
	if (what === "server") {
		net.createServer((socket) => socket.pipe(socket)).listen(port, "127.0.0.1");
		return;
	}
	const message = fs.readFileSync(file);
	if (what === "data") {
		await client(message, 1);
		return;
	}
	const start = process.hrtime.bigint();
	await Promise.all(Array.from({ length: clients }, () => client(message, messages)));
	const seconds = Number(process.hrtime.bigint() - start) / 1e9;
	console.log(clients * messages / seconds);
}

main();
