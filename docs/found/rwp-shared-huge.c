// Expected (Documentation/admin-guide/mm/userfaultfd.rst): UFFDIO_RWPROTECT makes present pages
// inaccessible and leaves them resident, also in shmem.
// Linux 7.3.4: it unmaps a huge page of shared memory, so the next access goes through. Needs
// CONFIG_TRANSPARENT_HUGEPAGE, CONFIG_USERFAULTFD and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT(page) ((char *)0x700000000000 + (page) * 4096L)

int main(void)
{
	write(open("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY), "advise", 6);
	mmap(AT(0), 1024 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	madvise(AT(0), 512 * 4096, MADV_HUGEPAGE);
	*(volatile char *)AT(0) = *(volatile char *)AT(512) = 1; // a huge page, and a small one
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 1 << 17 | UFFD_FEATURE_SIGBUS, 0 }); // RWP
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 1024 * 4096 }, 8 /* UFFDIO_REGISTER_MODE_RWP */ });
	if (ioctl(uffd, _IOWR(UFFDIO, 9, long[3]), (long[3]){ (long)AT(0), 1024 * 4096, 1 })) // UFFDIO_RWPROTECT
		return puts("cannot be run: no UFFDIO_RWPROTECT"), 2;
	int word = memfd_create("word", 0);
	int broken = write(word, AT(512), 1) < 0 && write(word, AT(0), 1) == 1;
	return puts(broken ? "BROKEN: an access to a huge page of shared memory goes through, right after it was protected" : "ok"), broken;
}
