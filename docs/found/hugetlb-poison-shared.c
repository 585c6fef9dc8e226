// Expected: UFFDIO_POISON acts on the registered memory; another process that has the same file mapped,
// and that nobody monitors, can read the page.
// Linux 7.3.4: if the mappings are so large and aligned (1 GiB) that they share page tables, the other
// process gets SIGBUS. Needs root (to reserve 4 huge pages; the rest needs no privilege). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#ifndef UFFDIO_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#define UFFDIO_POISON _IOWR(UFFDIO, 8, struct uffdio_poison)
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#endif
#define HUGE (2l << 20)

// Maps a file in two processes, poisons a page in one, and returns the signal that ends the other when it
// reads the page.
static int signal_of_other(long size)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), file = memfd_create("file", MFD_HUGETLB), to[2], from[2], child, status;
	volatile char *p;

	if (ftruncate(file, size) || pipe(to) || pipe(from))
		return -1;
	p = mmap((char *)(4l << 30), size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file, 0);
	if (p == MAP_FAILED)
		return -1;
	p[0] = 1;
	child = fork();
	if (!child) {
		char byte = p[0];	// this process is the other one; its mapping has a page table now

		write(from[1], &byte, 1);
		read(to[0], &byte, 1);
		byte = p[HUGE];
		_exit(0);
	}
	read(from[0], &status, 1);
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MISSING_HUGETLBFS | UFFD_FEATURE_POISON };
	struct uffdio_register reg = { .range = { (long)p, size }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_poison poison = { .range = { (long)p + HUGE, HUGE } };
	if (ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg) || ioctl(uffd, UFFDIO_POISON, &poison))
		return -1;
	write(to[1], "", 1);
	waitpid(child, &status, 0);
	munmap((char *)p, size);
	close(file);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int main(void)
{
	int small, large;

	write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "4", 1);
	small = signal_of_other(512l << 20);
	large = signal_of_other(1l << 30);
	if (small < 0 || large < 0)
		return printf("cannot be run: no userfaultfd for huge pages (%m)\n"), 2;
	if (!small && !large)
		return puts("ok"), 0;
	printf("BROKEN: UFFDIO_POISON raises signal %d in another process if 1 GiB is mapped, and %d if 512 MiB are\n", large, small);
	return 1;
}
