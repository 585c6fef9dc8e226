// Expected: who sends data over TCP cannot change it once it is received: TCP_ZEROCOPY_RECEIVE maps no page
// of anonymous memory or of a file that the sender still has. Linux 7.3.4: it maps pages of a ring of
// io_uring, into which the sender goes on writing. cc -static
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int l, port = 4000;

static int change(char *data, char *seen)	// 1: mapped and changed; 0: mapped; -1: not mapped
{
	struct sockaddr_in at = { AF_INET, htons(++port), { htonl(INADDR_LOOPBACK) } };
	int s = socket(AF_INET, SOCK_STREAM, 0), pipes[2], r;
	struct tcp_zerocopy_receive receive = { .length = 4096 };
	socklen_t size = sizeof(receive);

	l = socket(AF_INET, SOCK_STREAM, 0), pipe(pipes);
	if (bind(l, (void *)&at, sizeof(at)) || listen(l, 1) || connect(s, (void *)&at, sizeof(at)) || (r = accept(l, 0, 0)) < 0)
		perror("tcp"), _exit(2);
	char *p = mmap(0, 4096, PROT_READ, MAP_SHARED, r, 0);
	strcpy(data, "pay 1");
	if (vmsplice(pipes[1], &(struct iovec){ data, 4096 }, 1, 0) != 4096 || splice(pipes[0], 0, s, 0, 4096, 0) != 4096)
		perror("splice"), _exit(2);
	usleep(100000), receive.address = (long)p;
	if (getsockopt(r, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive, &size))
		perror("TCP_ZEROCOPY_RECEIVE"), _exit(2);
	if (receive.length != 4096)
		return -1;
	if (strcmp(p, "pay 1"))
		puts("wrong data"), _exit(2);
	strcpy(data, "pay 1000"), strcpy(seen, p);
	return strcmp(seen, "pay 1") != 0;
}

int main(void)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 64, &params), file = memfd_create("page", 0);
	char seen[64] = "", ignore[64], *sqes = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	struct ifreq lo = { "lo" };

	lo.ifr_flags = IFF_UP, ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &lo);
	if (sqes == MAP_FAILED || ftruncate(file, 4096) || setuid(1000))
		return perror("io_uring"), 2;
	int anonymous = change(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ignore);
	int shared = change(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), ignore), bad = change(sqes, seen);
	if (bad <= 0)
		return printf("ok (%d)\n", bad), 0;
	printf("BROKEN: received data changes from \"pay 1\" to \"%s\" when the sender writes; anonymous memory: %s, a file: %s\n", seen, anonymous < 0 ? "not mapped" : "mapped", shared < 0 ? "not mapped" : "mapped");
	return 1;
}
