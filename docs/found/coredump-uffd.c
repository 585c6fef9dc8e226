// Expected: a core dump has the contents of memory.
// Linux 7.3.4: it has zeros for pages that UFFDIO_RWPROTECT protects, and for pages of shared
// memory that are registered for minor faults. Needs CONFIG_COREDUMP, CONFIG_USERFAULTFD and root.
// cc -static
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#define LEN (16 * 4096L)
#define AT ((char *)0x700000000000)
static char page[LEN];
enum { WP = UFFDIO_REGISTER_MODE_WP, MINOR = UFFDIO_REGISTER_MODE_MINOR, RWP = 8 };

// A child registers 16 pages of a file in this mode, protects them (except for MINOR), and dumps
// core. Returns how many of the pages the dump has.
static int in_dump(int mode)
{
	int count = 0, file, status;
	Elf64_Ehdr head;
	Elf64_Phdr part;

	unlink("core");
	if (!fork()) {
		int memory = memfd_create("memory", 0), uffd = ioctl(open("/dev/userfaultfd", O_RDWR), USERFAULTFD_IOC_NEW, 0);
		memset(page, 1, LEN), write(memory, page, LEN);
		mmap(AT, LEN, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | (mode == MINOR ? 0 : MAP_POPULATE), memory, 0);
		if (ioctl(uffd, UFFDIO_API, &(struct uffdio_api){ UFFD_API, mode == RWP ? 1 << 17 : UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM, 0 }) ||
		    ioctl(uffd, UFFDIO_REGISTER, &(struct uffdio_register){ { (long)AT, LEN }, mode, 0 }))
			_exit(2);
		if (mode != MINOR && ioctl(uffd, mode == WP ? UFFDIO_WRITEPROTECT : _IOWR(UFFDIO, 9, long[3]), (long[3]){ (long)AT, LEN, 1 }))
			_exit(2);
		abort();
	}
	wait(&status);
	file = open("core", O_RDONLY);
	if (!WIFSIGNALED(status) || pread(file, &head, sizeof(head), 0) != sizeof(head))
		return -1;
	for (int i = 0; i < head.e_phnum; i++)
		if (pread(file, &part, sizeof(part), head.e_phoff + i * sizeof(part)) == sizeof(part) && part.p_vaddr == (long)AT)
			pread(file, page, LEN, part.p_offset);
	for (int i = 0; i < LEN; i += 4096)
		count += page[i], page[i] = 0;
	return count;
}

int main(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	int wp = in_dump(WP), minor = in_dump(MINOR), rwp = in_dump(RWP), broken = wp == 16 && (!minor || !rwp);
	printf(wp < 0 ? "cannot be run: no core dump, or no userfaultfd\n" : broken ? "BROKEN: of 16 pages, a core dump has %d if they are write-protected, %d if they are registered for minor faults, %d if they are protected from reads (-1: could not be tried)\n" : "ok\n", wp, minor, rwp);
	return broken;
}
