// Expected: a hole can be punched into a hugetlb file that a process maps privately.
// Linux 7.3.4: if a thread of the process handles a fault in the mapping at that time, the kernel takes
// the mapping's list of reservations for a lock, at an odd address. It overwrites a part of the list, warns,
// and then a CPU spins for ever. (The program sets panic_on_warn, so that the kernel dies at once.) Needs
// hugetlb and root (only for the sysctls; the rest is done by nobody). cc -static -pthread
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#define HUGE (2L << 20)
static char *p;

// Writes to the last seven pages of the mapping, which the file does not have.
static void *touch(void *unused)
{
	for (;; madvise(p + HUGE, 7 * HUGE, MADV_DONTNEED))
		for (int i = 1; i < 8; i++)
			p[i * HUGE] = 1;
	return unused;
}

int main(void)
{
	int ok = write(open("/proc/sys/vm/nr_hugepages", O_WRONLY), "20", 2) == 2, file = memfd_create("", MFD_HUGETLB), status;
	pthread_t thread;

	if (!ok || file < 0 || ftruncate(file, 8 * HUGE) || write(open("/proc/sys/kernel/panic_on_warn", O_WRONLY), "1", 1) != 1)
		return perror("nr_hugepages, memfd_create, panic_on_warn"), 2;
	if (!fork()) {
		setgid(65534), setuid(65534);
		p = mmap(0, 8 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
		if (p == MAP_FAILED || pthread_create(&thread, 0, touch, 0))
			_exit(2);
		for (time_t end = time(0) + 20; time(0) < end; *(volatile char *)p, fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, HUGE))
			if (fallocate(file, 0, 0, HUGE))
				_exit(2);
		_exit(0);
	}
	wait(&status);
	return status ? 2 : (puts("ok"), 0);
}
