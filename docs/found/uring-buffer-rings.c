// Expected: RLIMIT_MEMLOCK limits the memory that a user pins with io_uring.
// Linux 7.3.4: memory that becomes a ring of buffers is pinned without being counted. Needs
// CONFIG_IO_URING. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#define SIZE (32768L * 16)
struct buffer_ring { unsigned long at; unsigned entries; unsigned short group, flags; unsigned rest[6]; };

int main(void)
{
	static char params[120];
	int uring, count = 0, refused;
	char *p = mmap(0, 64 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ 1 << 20, 1 << 20 });
	setuid(1000);
	if ((uring = syscall(SYS_io_uring_setup, 1, params)) < 0)
		return perror("io_uring_setup"), 2;
	refused = syscall(SYS_io_uring_register, uring, 0 /* buffers */, &(struct iovec){ p, 2 << 20 }, 1);
	while (count < 64 && !syscall(SYS_io_uring_register, uring, 22 /* ring of buffers */, &(struct buffer_ring){ (long)p + count * SIZE, 32768, count }, 1))
		count++;
	printf(refused && count * SIZE > 1 << 20 ? "BROKEN: the limit is 1 MiB, which refuses a buffer of 2 MiB; %ld MiB are pinned as rings of buffers\n" : "ok\n", count * SIZE >> 20);
	return refused && count * SIZE > 1 << 20;
}
