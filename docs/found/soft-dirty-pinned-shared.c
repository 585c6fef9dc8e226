// Expected: a page that io_uring writes to, into a registered buffer, is soft-dirty.
// Linux 7.3.4: in shared memory it is not, if clear_refs ran after the registration. Private memory
// stays soft-dirty while it is pinned. Needs CONFIG_IO_URING and CONFIG_MEM_SOFT_DIRTY. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Lets io_uring write zeros to a page after clear_refs. Returns whether it is then soft-dirty.
static int soft_dirty(int kind)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params), zeros = memfd_create("zeros", 0);
	char *rings = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
	long entry = 0;

	*page = 1;
	ftruncate(zeros, 4096);
	if (ring < 0 || rings == MAP_FAILED || sqe == MAP_FAILED || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &(struct iovec){ page, 4096 }, 1))
		perror("io_uring"), _exit(2);
	if (write(open("/proc/self/clear_refs", O_WRONLY), "4", 1) != 1)
		perror("clear_refs"), _exit(2);
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED, .fd = zeros, .addr = (long)page, .len = 4096 };
	*(volatile unsigned *)(rings + params.sq_off.tail) = 1;
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1 || *(volatile char *)page)
		perror("io_uring_enter"), _exit(2);
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)page / 512);
	return entry >> 55 & 1;
}

int main(void)
{
	int private = soft_dirty(MAP_PRIVATE), shared = soft_dirty(MAP_SHARED);

	printf(private && !shared ? "BROKEN: a page of shared memory that io_uring has written to is not soft-dirty, a page of private memory is\n" : "ok\n");
	return private && !shared;
}
