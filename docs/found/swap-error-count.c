// Expected: swapoff returns, also after the swap disk has lost a page.
// Linux 7.3.4: a file that frees a page that could not be read from swap counts the page twice, and has
// a negative number of pages in swap. If another page of the file goes to swap, swapoff never finds it,
// and runs until it is killed. Needs root and swap on a whole disk. (To make reading fail, the program
// puts swap on a partition, and makes the partition smaller.) cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

static char disk[64], part[72];

// Adds (1) or resizes (3) a partition of so many pages.
static int partition(int op, long pages)
{
	struct blkpg_partition partition = { 1 << 20, pages * 4096, 1, "", "" };

	return ioctl(open(disk, O_RDWR), BLKPG, &(struct blkpg_ioctl_arg){ op, 0, sizeof(partition), &partition });
}

int main(void)
{
	int memory = memfd_create("memory", 0), header[1024] = { [256] = 1, [257] = 1023 }, file, ended;
	char line[256] = "", byte, *p;
	FILE *smaps;
	pid_t child;

	fscanf(fopen("/proc/swaps", "r"), "%*[^\n] %60s", disk);
	sprintf(part, "%s1", disk);
	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (swapoff(disk) || partition(1, 1024) || (file = open(part, O_RDWR)) < 0)
		return perror("partition of the swap disk"), 2;
	if (write(file, header, 4096) != 4096 || fsync(file) || close(file) || swapon(part, 0) || ftruncate(memory, 8192))
		return perror("swapon"), 2;
	p = mmap((char *)(1l << 32), 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	p[0] = p[4096] = 1;
	madvise(p, 4096, MADV_PAGEOUT);
	partition(3, 1);
	if (pread(memory, &byte, 1, 0) != -1)
		return puts("cannot be run: the page can be read"), 2;
	partition(3, 1024);
	if (ftruncate(memory, 0) || ftruncate(memory, 8192))	// frees the lost page
		return perror("ftruncate"), 2;
	for (smaps = fopen("/proc/self/smaps", "r"); strncmp(line, "1000", 4) || !strstr(line, "memory");)
		fgets(line, sizeof(line), smaps);
	while (strncmp(line, "Swap:", 5))
		fgets(line, sizeof(line), smaps);
	p[0] = 1;
	madvise(p, 4096, MADV_PAGEOUT);
	child = fork();
	if (!child)
		_exit(swapoff(part));
	sleep(5);
	ended = waitpid(child, 0, WNOHANG);
	if (ended == child && strstr(line, " 0 kB"))
		return puts("ok"), 0;
	kill(child, SIGKILL);
	printf("BROKEN: %s; an empty file has %s", ended ? "swapoff returns" : "swapoff runs for 5 s", line);
	return 1;
}
