// Expected: after MADV_WIPEONFORK, a child can change the protection of a part of the memory.
// Linux 7.3.4: if the parent has moved the memory with mremap, the kernel warns in the child.
// Needs CONFIG_DEBUG_VM; root only to read the log. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define SIZE 8192
static char text[1 << 18];

int main(void)
{
	char *old = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *new = mmap(0, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int length, broken;

	*old = 1;
	if (mremap(old, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, new) != new || madvise(new, SIZE, MADV_WIPEONFORK))
		return perror("mremap"), 2;
	if (!fork())
		_exit(mprotect(new, 4096, PROT_READ));
	wait(0);
	length = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof(text) - 1);
	broken = length > 0 && strstr(text, " at __split_vma");
	puts(broken ? "BROKEN: the kernel warns of the page offset of memory that fork has wiped" : "ok");
	return broken;
}
