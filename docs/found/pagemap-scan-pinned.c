// Expected: PAGEMAP_SCAN reports a page that was written to since it was write-protected.
// Linux 7.3.4: it does not if io_uring has written to it, into a registered buffer. clear_refs lets
// such pages stay soft-dirty. Needs CONFIG_IO_URING, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
struct scan { long size, flags, start, end, walk_end, vec, vec_len, max_pages, inverted, mask, anyof, ret; };
static char *page; // two pages: the first is registered with userfaultfd

// Returns whether the page was written to since the last call, and write-protects it again.
static int written(void)
{
	long region[3];
	struct scan scan = { sizeof(scan), 1 /* protect */, (long)page, (long)page + 4096, 0, (long)region, 1, 0, 0, 2 /* written */, 0, 2 };
	return ioctl(open("/proc/self/pagemap", O_RDONLY), _IOWR('f', 16, struct scan), &scan);
}

int main(void)
{
	struct io_uring_params params = { 0 };
	int ring = syscall(SYS_io_uring_setup, 1, &params), memory = memfd_create("memory", 0), uffd = syscall(SYS_userfaultfd, 0);
	char *rings = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	struct io_uring_sqe *sqe = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	long entry = 0;

	page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(page, 1, 8192);
	ftruncate(memory, 8192); // zeros
	if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 1 << 13 | 1 << 15 /* WP_ASYNC */, 0 }) || ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)page, 4096 }, UFFDIO_REGISTER_MODE_WP, 0 }))
		return perror("userfaultfd"), 2;
	if (ring < 0 || rings == MAP_FAILED || sqe == MAP_FAILED || syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &(struct iovec){ page, 8192 }, 1))
		return perror("io_uring"), 2;
	write(open("/proc/self/clear_refs", O_WRONLY), "4", 1);
	int before = written() == 1 && written() == 0;
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_READ_FIXED, .fd = memory, .addr = (long)page, .len = 8192 };
	*(volatile unsigned *)(rings + params.sq_off.tail) = 1;
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1)
		return perror("io_uring_enter"), 2;
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)page / 512 + 8);
	int changed = !page[0] && !page[4096], broken = before && changed && entry >> 55 & 1 && !written();
	printf(broken ? "BROKEN: io_uring has written to two registered pages; one is soft-dirty, the other is not \"written\" for PAGEMAP_SCAN\n" : "ok\n");
	return broken;
}
