// If mremap has moved memory that has MADV_WIPEONFORK, the child gets it empty, but with the page
// offset of its old place. The kernel warns when the child splits this mapping. Needs
// CONFIG_DEBUG_VM and root (for /dev/kmsg). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE 0x4000L

int main(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), warned = 0;
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *place = mmap(0, 3 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), text[8192];

	*p = 1;
	p = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place + SIZE);
	if (log < 0 || p == MAP_FAILED || madvise(p, SIZE, MADV_WIPEONFORK))
		return perror("/dev/kmsg, mremap, MADV_WIPEONFORK"), 2;
	lseek(log, 0, SEEK_END);
	if (!fork())
		_exit(munmap(p, SIZE / 2));
	wait(0);
	for (ssize_t n; (n = read(log, text, sizeof(text) - 1)) > 0;) {
		text[n] = 0;
		warned |= strstr(text, "WARNING") && strstr(text, "mm/vma");
	}
	puts(warned ? "BROKEN: the kernel warns of munmap of memory that fork has emptied" : "ok");
	return warned;
}
