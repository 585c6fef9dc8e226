// Expected: Rss of smaps is what RssAnon of /proc/PID/status counts for the mapping.
// Linux 7.3.4: smaps counts pages that are poisoned and no longer mapped. Needs
// CONFIG_MEMORY_FAILURE and root. cc -static
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define AT ((char *)0x700000000000)
#define LEN (64 * 4096)
static char text[1 << 16];

static void ignore(int signal)
{
	(void)signal;
}

static int kilobytes(const char *file, const char *from, const char *name)
{
	int fd = open(file, O_RDONLY), n, end = 0;
	while ((n = read(fd, text + end, sizeof(text) - 1 - end)) > 0)
		end += n;
	close(fd);
	text[end] = 0;
	return atoi(strstr(strstr(text, from), name) + strlen(name));
}

int main(void)
{
	int before, anon, rss;

	signal(SIGBUS, ignore);
	mmap(AT, LEN, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	before = kilobytes("/proc/self/status", "", "RssAnon:");
	memset(AT, 1, LEN);
	if (madvise(AT, LEN, 100 /* MADV_HWPOISON */))
		return perror("MADV_HWPOISON"), 2;
	anon = kilobytes("/proc/self/status", "", "RssAnon:") - before;
	rss = kilobytes("/proc/self/smaps", "700000000000-", "Rss:");
	printf(rss > anon ? "BROKEN: 64 pages are poisoned; RssAnon has grown by %d kB, and smaps has Rss: %d kB\n" : "ok\n", anon, rss);
	return rss > anon;
}
