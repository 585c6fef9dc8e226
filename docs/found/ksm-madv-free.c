// Expected: what a process has written to its memory stays there, whatever other processes do.
// Linux 7.3.4: after MADV_FREE of a page of KSM, KSM goes on merging pages into it, also those of other
// processes. Reclaim then throws away what they contain. Needs CONFIG_KSM and root (for KSM). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void ksm(const char *path, const char *text)
{
	if (write(open(path, O_WRONLY), text, strlen(text)) < 0)
		perror(path), _exit(2);
}

// Maps pages that contain 7, and gives KSM time to merge them.
static char *merged(int size)
{
	char *p = memset(mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 7, size);
	madvise(p, size, MADV_MERGEABLE);
	sleep(3);
	return p;
}

int main(void)
{
	int lost;
	char *p;

	ksm("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	ksm("/sys/kernel/mm/ksm/run", "1");
	if (!fork()) { // the other process
		p = merged(8192);
		munmap(p + 4096, 4096);
		madvise(p, 4096, MADV_FREE);
		_exit(sleep(6));
	}
	sleep(4);
	p = merged(4096);
	wait(0);
	madvise(p, 4096, MADV_PAGEOUT);
	lost = *p != 7;
	puts(lost ? "BROKEN: a page has lost what was written to it, after MADV_FREE in another process" : "ok");
	return lost;
}
