// SPDX-License-Identifier: GPL-2.0
/*
 * Checked traffic between two network cards that QEMU has put on one hub.
 *
 *	netcheck <card A> <card B> <bytes-file A> <bytes-file B> <interrupts-file>
 *
 * The kernel would short-cut traffic between two of its own addresses, so card
 * B moves into the network namespace of a child process: every byte then leaves
 * through one card's DMA and enters through the other's. That this happened is
 * checked by the cards' own counters.
 *
 * Parent (side A) and child (side B) go through the cases in the same order.
 * The child says over a pipe how its half of each went ('k' or 'n'), and the
 * parent reports. Every wait has a timeout: a card that loses packets gives a
 * failed case, not a hang. A card that goes down gives its interrupts back, so
 * /proc/interrupts is copied while both are up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ktap.h"
#include "pattern.h"

#define ADDRESS_A	"10.9.0.1"
#define ADDRESS_B	"10.9.0.2"
#define TCP_BYTES	(4u << 20)
#define TCP_CHUNK	65536u
#define TCP_PORT	7000
#define UDP_PORT	7001
#define TIMEOUT_S	20
#define SEED_A		0x41ull
#define SEED_B		0x42ull

/* Payloads around the frame and fragment limits of a 1500-byte link. */
static const uint16_t udp_sizes[] = {
	1, 2, 17, 18, 19, 63, 64, 65, 511, 512, 1471, 1472, 1473, 2952, 2953,
	4095, 4096, 4097, 8192, 16384, 32768, 60000,
};
#define N_UDP (sizeof(udp_sizes) / sizeof(udp_sizes[0]))

static const char *side = "A";
static char out_data[TCP_BYTES], in_data[TCP_BYTES], want_data[TCP_BYTES];

static bool complain(const char *what)
{
	ktap_log("# side %s: %s: %s", side, what, errno ? strerror(errno) : "wrong");
	return false;
}

static void fill_stream(char *to, uint64_t seed)
{
	uint64_t block[PATTERN_WORDS];
	uint32_t n;

	for (n = 0; n < TCP_BYTES / PATTERN_BLOCK; n++) {
		pattern_fill(block, seed, n, 0);
		memcpy(to + n * PATTERN_BLOCK, block, PATTERN_BLOCK);
	}
}

/* ---- setting up the cards ---- */

/* Hand interface @index to the network namespace of process @pid. */
static bool give_card(unsigned int index, pid_t pid)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		struct rtattr a;
		uint32_t pid;
	} req = {
		.h.nlmsg_len = sizeof(req),
		.h.nlmsg_type = RTM_NEWLINK,
		.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.i.ifi_index = index,
		.a.rta_len = RTA_LENGTH(sizeof(uint32_t)),
		.a.rta_type = IFLA_NET_NS_PID,
		.pid = pid,
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char more[256];
	} ack;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	bool ok;

	ok = fd >= 0 && send(fd, &req, sizeof(req), 0) == sizeof(req) &&
	     recv(fd, &ack, sizeof(ack), 0) >= (ssize_t)(sizeof(ack.h) + sizeof(ack.e)) &&
	     ack.h.nlmsg_type == NLMSG_ERROR;
	errno = ok ? -ack.e.error : errno;
	ok = ok && !ack.e.error;
	if (fd >= 0)
		close(fd);
	return ok || complain("moving the card");
}

static void set_ipv4(struct sockaddr *to, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(in, 0, sizeof(*in));
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
}

static bool card_up(const char *name, const char *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { 0 };
	unsigned int tenths;
	bool ok;

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	set_ipv4(&r.ifr_addr, address, 0);
	ok = fd >= 0 && !ioctl(fd, SIOCSIFADDR, &r);
	set_ipv4(&r.ifr_netmask, "255.255.255.0", 0);
	ok = ok && !ioctl(fd, SIOCSIFNETMASK, &r);
	r.ifr_flags = IFF_UP;
	ok = ok && !ioctl(fd, SIOCSIFFLAGS, &r);
	for (tenths = 0; ok && tenths < TIMEOUT_S * 10; tenths++) {
		ok = !ioctl(fd, SIOCGIFFLAGS, &r);
		if (r.ifr_flags & IFF_RUNNING)
			break;
		poll(NULL, 0, 100);
	}
	ok = ok && (r.ifr_flags & IFF_RUNNING);
	if (fd >= 0)
		close(fd);
	return ok || complain(name);
}

/* This process's namespace; a card's counters start at 0 when it is probed. */
static bool counters(const char *name, unsigned long long *rx,
		     unsigned long long *tx)
{
	FILE *f = fopen("/proc/self/net/dev", "r");
	char line[300], *at;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		at = line + strspn(line, " ");
		if (strncmp(at, name, strlen(name)) || at[strlen(name)] != ':')
			continue;
		found = sscanf(at + strlen(name) + 1,
			       "%llu %*u %*u %*u %*u %*u %*u %*u %llu", rx, tx) == 2;
	}
	if (f)
		fclose(f);
	return found || complain("counters");
}

/* ---- moving data ---- */

static void set_timeout(int fd)
{
	struct timeval tv = { .tv_sec = TIMEOUT_S };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)))
		complain("setsockopt");
}

/* Pieces of any size, so that fragments start anywhere in a page. */
static bool send_stream(int fd, uint64_t seed)
{
	uint64_t state = seed;
	size_t at = 0;

	while (at < TCP_BYTES) {
		size_t now = 1 + prng_below(&state, TCP_CHUNK);
		ssize_t n;

		if (now > TCP_BYTES - at)
			now = TCP_BYTES - at;
		n = send(fd, out_data + at, now, MSG_NOSIGNAL);
		if (n <= 0)
			return complain("send");
		at += n;
	}
	return true;
}

static bool receive_stream(int fd, uint64_t seed)
{
	uint64_t state = ~seed;
	size_t at = 0;

	memset(in_data, 0xee, sizeof(in_data));
	while (at < TCP_BYTES) {
		size_t now = 1 + prng_below(&state, TCP_CHUNK);
		ssize_t n;

		if (now > TCP_BYTES - at)
			now = TCP_BYTES - at;
		n = recv(fd, in_data + at, now, 0);
		if (n <= 0)
			return complain("recv");
		at += n;
	}
	errno = 0;
	return !memcmp(in_data, want_data, TCP_BYTES) || complain("TCP data");
}

static int tcp_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr to;

	set_timeout(fd);
	set_ipv4(&to, ADDRESS_B, TCP_PORT);
	if (connect(fd, &to, sizeof(to)) == 0)
		return fd;
	complain("connect");
	close(fd);
	return -1;
}

static int tcp_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr at;

	set_timeout(fd);
	set_ipv4(&at, ADDRESS_B, TCP_PORT);
	if (bind(fd, &at, sizeof(at)) || listen(fd, 1))
		complain("listen");
	return fd;
}

static int tcp_accept(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		complain("accept");
	else
		set_timeout(fd);
	return fd;
}

static int udp_socket(const char *from, const char *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr a;

	set_timeout(fd);
	set_ipv4(&a, from, UDP_PORT);
	if (bind(fd, &a, sizeof(a)))
		complain("UDP bind");
	set_ipv4(&a, to, UDP_PORT);
	if (connect(fd, &a, sizeof(a)))
		complain("UDP connect");
	return fd;
}

static bool udp_receive(int fd, unsigned int n)
{
	ssize_t got = recv(fd, in_data, sizeof(in_data), 0);

	if (got < 0)
		return complain("UDP recv");
	errno = 0;
	return (got == udp_sizes[n] && !memcmp(in_data, want_data + n * 7, got)) ||
	       complain("UDP data");
}

static bool udp_send(int fd, unsigned int n)
{
	return send(fd, out_data + n * 7, udp_sizes[n], 0) == udp_sizes[n] ||
	       complain("UDP send");
}

/* A sends, B checks it and sends its own of the same size, A checks that. */
static bool udp_rounds(int fd, bool first)
{
	unsigned int n;

	for (n = 0; n < N_UDP; n++) {
		if (first && !(udp_send(fd, n) && udp_receive(fd, n)))
			return false;
		if (!first && !(udp_receive(fd, n) && udp_send(fd, n)))
			return false;
	}
	return true;
}

static unsigned long long payload(void)
{
	unsigned long long sum = TCP_BYTES;
	unsigned int n;

	for (n = 0; n < N_UDP; n++)
		sum += udp_sizes[n];
	return sum;
}

/* Both directions carried at least the payload through this very card. */
static bool card_carried(const char *name)
{
	unsigned long long rx = 0, tx = 0;
	bool ok = counters(name, &rx, &tx);

	ktap_log("# side %s: %s received %llu and sent %llu bytes, payload %llu",
		 side, name, rx, tx, payload());
	errno = 0;
	return (ok && rx >= payload() && tx >= payload()) || complain("counters");
}

/* ---- the two sides ---- */

static void say(int fd, bool ok)
{
	if (write(fd, ok ? "k" : "n", 1) != 1)
		exit(98);
}

static bool hear(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c = 'n';

	if (poll(&p, 1, 3 * TIMEOUT_S * 1000) != 1 || read(fd, &c, 1) != 1) {
		errno = 0;
		return complain("no word from side B");
	}
	return c == 'k';
}

static void side_b(const char *card, int tell, int listen_to)
{
	int listener, tcp, udp;

	side = "B";
	fill_stream(out_data, SEED_B);
	fill_stream(want_data, SEED_A);
	say(tell, !unshare(CLONE_NEWNET) || complain("unshare"));
	if (!hear(listen_to))
		exit(1);
	say(tell, card_up(card, ADDRESS_B));
	listener = tcp_listen();
	udp = udp_socket(ADDRESS_B, ADDRESS_A);
	say(tell, listener >= 0 && udp >= 0);
	tcp = tcp_accept(listener);
	say(tell, tcp >= 0 && receive_stream(tcp, SEED_A));
	say(tell, tcp >= 0 && send_stream(tcp, SEED_B));
	say(tell, udp_rounds(udp, false));
	say(tell, card_carried(card));
	hear(listen_to);
	exit(0);
}

static bool setup(const char *card_a, const char *card_b, pid_t child,
		  int from_b, int to_b)
{
	unsigned int index = if_nametoindex(card_b);
	bool moved;

	if (!index)
		complain(card_b);
	moved = hear(from_b) && index && give_card(index, child);
	say(to_b, moved);
	return moved && card_up(card_a, ADDRESS_A) && hear(from_b) && hear(from_b);
}

static void copy_interrupts(const char *to)
{
	FILE *in = fopen("/proc/interrupts", "r"), *out = fopen(to, "w");
	char buf[4096];
	size_t n;

	if (!in || !out)
		complain("copying the interrupts");
	while (in && out && (n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, out);
	if (in)
		fclose(in);
	if (out && fclose(out))
		complain(to);
}

/* Both halves of a case are always waited for, or the sides lose step. */
static bool both(bool mine, int from_b)
{
	bool theirs = hear(from_b);

	return mine && theirs;
}

int main(int argc, char **argv)
{
	int up[2], down[2], tcp = -1, udp = -1;
	bool ready, ok[4] = { false };
	pid_t child;

	if (argc != 6)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (pipe(up) || pipe(down))
		return 98;
	child = fork();
	if (child < 0)
		return 98;
	if (!child)
		side_b(argv[2], up[1], down[0]);

	ktap_begin("net", 5);
	fill_stream(out_data, SEED_A);
	fill_stream(want_data, SEED_B);
	ready = setup(argv[1], argv[2], child, up[0], down[1]);
	ktap_case(ready, "two_cards_in_two_namespaces");
	if (ready) {
		udp = udp_socket(ADDRESS_A, ADDRESS_B);
		tcp = tcp_connect();
		ok[0] = both(tcp >= 0 && send_stream(tcp, SEED_A), up[0]);
		ok[1] = both(tcp >= 0 && receive_stream(tcp, SEED_B), up[0]);
		ok[2] = both(udp_rounds(udp, true), up[0]);
		ok[3] = both(card_carried(argv[1]), up[0]);
		copy_interrupts(argv[5]);
	}
	ktap_case(ok[0], "tcp_from_A_to_B");
	ktap_case(ok[1], "tcp_from_B_to_A");
	ktap_case(ok[2], "udp_with_fragments");
	ktap_case(ok[3], "both_cards_carried_it");
	ready = ok[0] && ok[1] && ok[2];
	account_bytes(argv[3], ready ? 2 * payload() : 0);
	account_bytes(argv[4], ready ? 2 * payload() : 0);

	if (ready)
		say(down[1], true);
	else
		kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return ktap_end();
}
