// Expected: RLIMIT_MEMLOCK limits what a user pins with MSG_ZEROCOPY (msg_zerocopy.rst), as it limits the
// buffers of io_uring. Linux 7.3.4: a huge page counts as two small pages. What a socket pins is kept in
// memory after munmap: many times the limit. cc -static
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define PAGES 64
#define LIMIT (1 << 20)

static char text[8192], junk[1 << 18];

static int available(void)	// MB
{
	FILE *f = fopen("/proc/meminfo", "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = 0, fclose(f);
	return atoi(strstr(text, "MemFree:") + 8) / 1024;
}

int main(void)
{
	struct sockaddr_in at = { AF_INET, htons(7), { htonl(INADDR_LOOPBACK) } };
	struct ifreq lo = { "lo" };
	struct io_uring_params params = { 0 };
	int l = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0), one = 1, small = 2048, large = 4 << 20, sent = 0, why = 0;

	lo.ifr_flags = IFF_UP, ioctl(l, SIOCSIFFLAGS, &lo);
	setsockopt(l, SOL_SOCKET, SO_RCVBUF, &small, 4), setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &large, 4);
	if (bind(l, (void *)&at, sizeof(at)) || listen(l, 1) || connect(s, (void *)&at, sizeof(at)) ||
	    setsockopt(s, SOL_SOCKET, SO_ZEROCOPY, &one, 4) || setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ LIMIT, LIMIT }) || setuid(1000))
		return perror("socket"), 2;
	send(s, junk, sizeof(junk), MSG_DONTWAIT);	// fills what the receiver takes
	int before = available(), ring = syscall(SYS_io_uring_setup, 4, &params);
	char *p = mmap(0, (PAGES + 1) * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((long)p + HUGE - 1) & -HUGE), madvise(p, PAGES * HUGE, MADV_HUGEPAGE), memset(p, 1, PAGES * HUGE);
	int twin = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &(struct iovec){ p, 4096 }, 1) ? errno : 0;
	int whole = send(s, p, HUGE, MSG_ZEROCOPY | MSG_DONTWAIT) < 0 ? errno : 0;
	for (; sent < PAGES && send(s, p + sent * HUGE, 1, MSG_ZEROCOPY | MSG_DONTWAIT) == 1; sent++)
		;
	why = errno;
	munmap(p, PAGES * HUGE);
	int pinned = before - available();
	if (pinned < 32)
		return printf("ok (%d, %d sent: %s)\n", pinned, sent, strerror(why)), 0;
	printf("BROKEN: a user with RLIMIT_MEMLOCK = 1 MiB keeps %d MB in memory after munmap, with %d bytes to send; a send of 2 MiB: %s; a buffer of io_uring: %s\n", pinned, sent, strerror(whole), strerror(twin));
	return 1;
}
