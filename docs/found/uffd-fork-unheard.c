// Expected: memory that is registered with no userfaultfd is not write-protected for one.
// Linux 7.3.4: a fork waits until the monitor has read its event. If the monitor ends instead, the
// registration of the child ends, but its pages keep uffd-wp, even when they are written to. With
// CONFIG_PAGE_TABLE_CHECK the kernel warns when such a page moves. Needs CONFIG_USERFAULTFD and
// root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, 0);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, UFFD_FEATURE_EVENT_FORK, 0 });
	*(volatile char *)p = 1;
	if (!fork())
		sleep(2), _exit(0); // the monitor: it has a copy of the file, and ends
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)p, 4096 }, UFFDIO_REGISTER_MODE_WP });
	ioctl(uffd, UFFDIO_WRITEPROTECT, &(struct uffdio_writeprotect){ { (long)p, 4096 }, UFFDIO_WRITEPROTECT_MODE_WP });
	close(uffd);
	if (fork()) { // returns when the monitor has ended
		munmap(p, 4096); // now the page is the child's alone
		while (wait(0) > 0)
			;
		return 0;
	}
	sleep(1);
	long entry;
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)p / 512);
	puts(entry >> 57 & 1 ? "BROKEN: a child keeps write protection of a userfaultfd that is closed" : "ok");
	fflush(stdout);
	*(volatile char *)p = 2;
	mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0x700000000000);
	return entry >> 57 & 1;
}
