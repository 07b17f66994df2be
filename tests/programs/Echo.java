// SPDX-License-Identifier: MIT
//
// Echo server PORT: sends back what comes.  Echo data PORT FILE: does it?
// Echo speed PORT FILE: 10 clients with messages as FILE; how many a second.
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

public class Echo {
	static final int CLIENTS = 10, MESSAGES = 100;

	static void serve(InetSocketAddress at) throws Exception
	{
		Selector selector = Selector.open();
		ServerSocketChannel listener = ServerSocketChannel.open();

		listener.bind(at);
		listener.configureBlocking(false);
		listener.register(selector, SelectionKey.OP_ACCEPT);
		for (;;) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				if (key.isAcceptable()) {
					SocketChannel channel = listener.accept();

					channel.configureBlocking(false);
					channel.register(selector, SelectionKey.OP_READ,
							 ByteBuffer.allocateDirect(65536));
					continue;
				}
				answer(key);
			}
			selector.selectedKeys().clear();
		}
	}

	/* What was read is sent before more is read. */
	static void answer(SelectionKey key) throws Exception
	{
		SocketChannel channel = (SocketChannel)key.channel();
		ByteBuffer buffer = (ByteBuffer)key.attachment();

		if (key.isReadable()) {
			if (channel.read(buffer) < 0) {
				channel.close();
				return;
			}
			buffer.flip();
		}
		channel.write(buffer);
		if (buffer.hasRemaining()) {
			key.interestOps(SelectionKey.OP_WRITE);
			return;
		}
		buffer.clear();
		key.interestOps(SelectionKey.OP_READ);
	}

	static final class Client {
		final ByteBuffer out, in;
		int left;

		Client(byte[] message, int count)
		{
			out = ByteBuffer.wrap(message);
			in = ByteBuffer.allocate(message.length);
			left = count;
		}

		/* False if it is done. */
		boolean go(SelectionKey key, byte[] message) throws Exception
		{
			SocketChannel channel = (SocketChannel)key.channel();

			if (key.isConnectable())
				channel.finishConnect();
			if (channel.read(in) < 0)
				throw new Exception("the server ended");
			if (!in.hasRemaining()) {
				if (!Arrays.equals(in.array(), message))
					throw new Exception("other data came back");
				if (--left == 0) {
					channel.close();
					return false;
				}
				in.clear();
				out.rewind();
			}
			channel.write(out);
			key.interestOps(SelectionKey.OP_READ |
					(out.hasRemaining() ? SelectionKey.OP_WRITE : 0));
			return true;
		}
	}

	static void run(InetSocketAddress to, byte[] message, int clients, int count)
		throws Exception
	{
		Selector selector = Selector.open();
		int open = clients;

		for (int i = 0; i < clients; i++) {
			SocketChannel channel = SocketChannel.open();

			channel.configureBlocking(false);
			channel.connect(to);
			channel.register(selector, SelectionKey.OP_CONNECT,
					 new Client(message, count));
		}
		while (open > 0) {
			selector.select();
			for (SelectionKey key : selector.selectedKeys()) {
				if (!((Client)key.attachment()).go(key, message))
					open--;
			}
			selector.selectedKeys().clear();
		}
	}

	public static void main(String[] args) throws Exception
	{
		InetSocketAddress at = new InetSocketAddress(
			"127.0.0.1", Integer.parseInt(args[1]));

		if (args[0].equals("server")) {
			serve(at);
			return;
		}
		byte[] message = Files.readAllBytes(Path.of(args[2]));

		if (args[0].equals("data")) {
			run(at, message, 1, 1);
			return;
		}
		long start = System.nanoTime();

		run(at, message, CLIENTS, MESSAGES);
		System.out.println(CLIENTS * MESSAGES * 1e9 / (System.nanoTime() - start));
	}
}
