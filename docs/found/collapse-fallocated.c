// Expected: memory that fallocate has allocated is zero, and read sees what the mapping contains.
// Linux 7.3.4: MADV_COLLAPSE maps a huge page of tmpfs that fallocate has allocated, although it was
// never cleared. The process sees what another process has left there, and read(2) does not see what
// the process writes. Needs CONFIG_TRANSPARENT_HUGEPAGE and root (to mount a tmpfs with huge=).
// cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#define HUGE (2L << 20)
#define AT ((char *)(1l << 32))

int main(void)
{
	long most = sysconf(_SC_AVPHYS_PAGES) / 4 * 3 * 4096;
	char seen = 0;
	int file, left = 0;

	mkdir("/tmp/tmpfs", 0755);
	if (mount("tmpfs", "/tmp/tmpfs", "tmpfs", 0, "huge=always"))
		return perror("tmpfs"), 2;
	if (!fork())	// another process fills most of the memory with a secret, and exits
		_exit(!memset(mmap(0, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 7, most));
	wait(0);
	file = open("/tmp/tmpfs/file", O_RDWR | O_CREAT, 0600);
	*(char *)mmap(AT + HUGE, 4096, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
	mmap(AT, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, file, 0);
	if (fallocate(file, 0, 0, HUGE))
		return perror("fallocate"), 2;
	madvise(AT, HUGE, 25 /* MADV_COLLAPSE */);
	for (long i = 0; i < HUGE; i++)
		left += AT[i] == 7;
	*AT = 1;
	pread(file, &seen, 1, 0);
	if (!left && seen == 1)
		return puts("ok"), 0;
	printf("BROKEN: %d bytes of another process in memory that fallocate has allocated; read sees %d, the mapping %d\n", left, seen, *AT);
	return 1;
}
