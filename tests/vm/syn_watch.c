// SPDX-License-Identifier: MIT
/*
 * syn_watch: prints a line for each SYN and each SYN-ACK that this host sends,
 *
 *	syn|synack ADDRESS PORT ADDRESS PORT smc|plain
 *
 * from and to, and whether it carries the TCP option of SMC.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel drops all else, or bulk data would fill the queue. */
static struct sock_filter only_syn[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x60, 5, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 8),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
	BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 3),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 53),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 0xffff),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static bool has_smc(const uint8_t *option, const uint8_t *end)
{
	static const uint8_t smc[] = {254, 6, 0xe2, 0xd4, 0xc3, 0xd9};

	while (option < end && *option != TCPOPT_EOL) {
		if (*option == TCPOPT_NOP) {
			option++;
			continue;
		}
		if (end - option >= (ssize_t)sizeof(smc) &&
		    !memcmp(option, smc, sizeof(smc)))
			return true;
		if (end - option < 2 || option[1] < 2)
			break;
		option += option[1];
	}
	return false;
}

static void show(const uint8_t *packet, size_t size)
{
	bool is_v6 = packet[0] >> 4 == 6;
	size_t head = is_v6 ? sizeof(struct ip6_hdr) : (packet[0] & 15) * 4;
	const uint8_t *addrs = packet + (is_v6 ? 8 : 12);
	const struct tcphdr *tcp = (const void *)(packet + head);
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	int family = is_v6 ? AF_INET6 : AF_INET;
	const uint8_t *end;

	if (size < head + sizeof(*tcp) || size < head + tcp->doff * 4)
		return;
	end = (const uint8_t *)tcp + tcp->doff * 4;
	inet_ntop(family, addrs, from, sizeof(from));
	inet_ntop(family, addrs + (is_v6 ? 16 : 4), to, sizeof(to));
	printf("%s %s %u %s %u %s\n", tcp->ack ? "synack" : "syn", from,
	       ntohs(tcp->source), to, ntohs(tcp->dest),
	       has_smc((const uint8_t *)(tcp + 1), end) ? "smc" : "plain");
}

int main(void)
{
	struct sock_fprog prog = {sizeof(only_syn) / sizeof(only_syn[0]),
				  only_syn};
	int fd = socket(AF_PACKET, SOCK_DGRAM, 0);
	struct sockaddr_ll addr = {.sll_family = AF_PACKET};
	socklen_t len;
	ssize_t size;
	uint8_t packet[4096];

	setlinebuf(stdout);
	addr.sll_protocol = htons(ETH_P_ALL);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		perror("syn_watch");
		return 1;
	}
	for (;;) {
		len = sizeof(addr);
		size = recvfrom(fd, packet, sizeof(packet), 0,
				(struct sockaddr *)&addr, &len);
		if (size <= 0)
			continue;
		/* What goes over lo is seen twice. */
		if (addr.sll_pkttype == PACKET_OUTGOING)
			show(packet, size);
	}
}
