// SPDX-License-Identifier: MIT
//
// Fetch blocking|selector HOST PORT PATH: writes what a web server has there to
// standard output.
import java.io.ByteArrayOutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;

public class Fetch {
	static byte[] withSocket(InetSocketAddress to, byte[] request)
		throws Exception
	{
		try (Socket socket = new Socket()) {
			socket.setTcpNoDelay(true);
			socket.setKeepAlive(true);
			socket.setSoTimeout(20000);
			socket.connect(to, 20000);
			socket.getOutputStream().write(request);
			return socket.getInputStream().readAllBytes();
		}
	}

	static byte[] withSelector(InetSocketAddress to, byte[] request)
		throws Exception
	{
		ByteArrayOutputStream all = new ByteArrayOutputStream();
		ByteBuffer buffer = ByteBuffer.allocate(65536);

		try (Selector selector = Selector.open();
		     SocketChannel channel = SocketChannel.open()) {
			channel.configureBlocking(false);
			channel.register(selector, SelectionKey.OP_CONNECT);
			channel.connect(to);
			while (selector.select(20000) > 0) {
				SelectionKey key = channel.keyFor(selector);

				selector.selectedKeys().clear();
				if (key.isConnectable()) {
					channel.finishConnect();
					channel.write(ByteBuffer.wrap(request));
					key.interestOps(SelectionKey.OP_READ);
					continue;
				}
				buffer.clear();
				if (channel.read(buffer) < 0)
					return all.toByteArray();
				all.write(buffer.array(), 0, buffer.position());
			}
		}
		throw new Exception("nothing came for 20 s");
	}

	public static void main(String[] args) throws Exception
	{
		InetSocketAddress to = new InetSocketAddress(
			args[1], Integer.parseInt(args[2]));
		byte[] request = ("GET " + args[3] + " HTTP/1.0\r\n\r\n")
			.getBytes(StandardCharsets.US_ASCII);
		byte[] all = args[0].equals("selector")
			? withSelector(to, request) : withSocket(to, request);
		int body = new String(all, StandardCharsets.ISO_8859_1)
			.indexOf("\r\n\r\n") + 4;

		System.out.write(all, body, all.length - body);
		System.out.flush();
	}
}
