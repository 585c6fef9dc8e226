// Expected: a page stays read-write-protected for userfaultfd until it is accessed.
// Linux 7.3.4: after KSM has merged the page, its pagemap entry is 0x808000000000518b: bit 57, the
// protection, is clear. Needs CONFIG_KSM, CONFIG_USERFAULTFD and root. cc -static
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
	mmap(AT(0), 3 * 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (long i = 0; i < 3; i++)
		*(volatile long *)AT(i) = 0x200 + i % 2;
	int uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, O_NONBLOCK);
	ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, 0x370a1, 0 }); // RWP, SIGBUS, shmem, WP_UNPOPULATED, POISON, MOVE
	ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT(0), 4096 }, 8 /* UFFDIO_REGISTER_MODE_RWP */ });
	if (ioctl(uffd, _IOWR(UFFDIO, 9, long[3]), (long[3]){ (long)AT(0), 4096, 1 })) // UFFDIO_RWPROTECT
		return puts("cannot be run: no UFFDIO_RWPROTECT"), 2;
	madvise(AT(0), 3 * 4096, MADV_MERGEABLE);
	write(open("/sys/kernel/mm/ksm/run", O_WRONLY), "1", 1);
	sleep(2);
	write(open("/sys/kernel/mm/ksm/run", O_WRONLY), "0", 1);
	long entry;
	pread(open("/proc/self/pagemap", O_RDONLY), &entry, 8, (long)AT(0) / 512);
	int broken = !(entry >> 57 & 1);
	return puts(broken ? "BROKEN: a page has lost its read-write protection for userfaultfd" : "ok"), broken;
}
