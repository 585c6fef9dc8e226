// Expected: what a process has written to its memory stays there, whatever other processes do.
// Linux 7.3.4: after MADV_FREE of a page of KSM, KSM goes on merging pages into it, also those of other
// processes. Reclaim then throws away what they contain. Needs CONFIG_KSM and root (for KSM). cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#define KSM "/sys/kernel/mm/ksm/"
#define SIZE (16 * 4096)

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path), exit(2);
	close(fd);
}

static char *mergeable(void)
{
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 16; i++)
		memset(p + i * 4096, i + 1, 4096);
	madvise(p, SIZE, MADV_MERGEABLE);
	return p;
}

static void merge(void)
{
	set(KSM "run", "1");
	sleep(3);
	set(KSM "run", "0");
}

int main(void)
{
	char *p, *q, c;
	int lost = 0, freed[2], end[2];

	set(KSM "pages_to_scan", "1000");
	set(KSM "sleep_millisecs", "20");
	if (pipe(freed) || pipe(end))
		return perror("pipe"), 2;
	if (!fork()) { // the other process
		p = mergeable(), q = mergeable();
		merge();
		munmap(q, SIZE);
		madvise(p, SIZE, MADV_FREE);
		write(freed[1], "", 1);
		read(end[0], &c, 1);
		_exit(0);
	}
	read(freed[0], &c, 1);
	p = mergeable();
	merge();
	write(end[1], "", 1);
	wait(0);
	madvise(p, SIZE, MADV_PAGEOUT);
	for (int i = 0; i < 16; i++)
		lost += p[i * 4096] != i + 1;
	printf(lost ? "BROKEN: %d of 16 pages have lost what was written to them\n" : "ok\n", lost);
	return !!lost;
}
