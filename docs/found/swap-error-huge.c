// Expected: ftruncate returns, also after the swap disk has lost a huge page.
// Linux 7.3.4: ftruncate of shared memory to a size inside a huge page that could not be read from swap
// never returns, and SIGKILL does not end it. Needs CONFIG_TRANSPARENT_HUGEPAGE, root and swap on a whole
// disk. (To make reading fail, the program puts swap on a partition, and makes the partition smaller.)
// cc -static
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
#define SIZE (2l << 20)

static char disk[64], part[72];

// Adds (1) or resizes (3) a partition of so many pages.
static int partition(int op, long pages)
{
	struct blkpg_partition partition = { 2 << 20, pages * 4096, 1, "", "" };

	return ioctl(open(disk, O_RDWR), BLKPG, &(struct blkpg_ioctl_arg){ op, 0, sizeof(partition), &partition });
}

int main(void)
{
	int memory = memfd_create("memory", 0), header[1024] = { [256] = 1, [257] = 2047 }, file, ended;
	char byte, *p;
	pid_t child;

	fscanf(fopen("/proc/swaps", "r"), "%*[^\n] %60s", disk);
	sprintf(part, "%s1", disk);
	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (swapoff(disk) || partition(1, 2048) || (file = open(part, O_RDWR)) < 0)
		return perror("partition of the swap disk"), 2;
	if (write(file, header, 4096) != 4096 || fsync(file) || close(file) || swapon(part, 0))
		return perror("swapon"), 2;
	p = mmap((char *)(1l << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory, 0);
	if (ftruncate(memory, SIZE + 1) || pwrite(memory, "", 1, SIZE) != 1 || !memset(p, 1, SIZE) || madvise(p, SIZE, 25 /* MADV_COLLAPSE */))
		return perror("MADV_COLLAPSE"), 2;
	for (int i = 0; i < 3; i++)
		madvise(p, SIZE, MADV_PAGEOUT);
	partition(3, 1);
	if (pread(memory, &byte, 1, 0) != -1 || pread(memory, &byte, 1, SIZE / 2) != -1)
		return puts("cannot be run: the page can be read"), 2;
	partition(3, 2048);
	child = fork();
	if (!child) {
		close(1), close(2);
		_exit(!!ftruncate(memory, SIZE / 2 + 100));
	}
	sleep(5);
	ended = waitpid(child, 0, WNOHANG);
	if (ended == child)
		return puts("ok"), 0;
	kill(child, SIGKILL);
	sleep(2);
	printf("BROKEN: ftruncate runs for 5 s%s\n", waitpid(child, 0, WNOHANG) ? "" : ", and SIGKILL does not end it");
	return 1;
}
