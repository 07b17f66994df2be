# SPDX-License-Identifier: MIT
#
# echo.py server PORT: sends back what comes.  echo.py data PORT FILE: does it?
# echo.py speed PORT FILE: 10 clients with messages as FILE; how many a second.
import asyncio, sys, time

CLIENTS, MESSAGES = 10, 100


async def serve(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def client(port, message, count):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(message)
        if await reader.readexactly(len(message)) != message:
            sys.exit("echo.py: other data came back")
    writer.close()


async def main(what, port, file=None):
    if what == "server":
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        await server.serve_forever()
    message = open(file, "rb").read()
    if what == "data":
        return await client(port, message, 1)
    start = time.monotonic()
    await asyncio.gather(*(client(port, message, MESSAGES) for _ in range(CLIENTS)))
    print(CLIENTS * MESSAGES / (time.monotonic() - start))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
