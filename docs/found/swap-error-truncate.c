// Expected: a file that was truncated to nothing and made longer again can be read, and contains zeros.
// Linux 7.3.4: where the only page of the file could not be read from swap, the page stays lost: read
// still fails with EIO, and a touch of a mapping raises SIGBUS. Needs root and swap on a whole disk. (To
// make reading fail, the program puts swap on a partition, and makes the partition smaller.) cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
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
	int memory = memfd_create("memory", 0), header[1024] = { [256] = 1, [257] = 1023 }, file, done, status;
	char byte = 1, *p;

	fscanf(fopen("/proc/swaps", "r"), "%*[^\n] %60s", disk);
	sprintf(part, "%s1", disk);
	memcpy((char *)header + 4086, "SWAPSPACE2", 10);
	if (swapoff(disk) || partition(1, 1024) || (file = open(part, O_RDWR)) < 0)
		return perror("partition of the swap disk"), 2;
	if (write(file, header, 4096) != 4096 || fsync(file) || close(file) || swapon(part, 0) || ftruncate(memory, 4096))
		return perror("swapon"), 2;
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	*p = 1;
	madvise(p, 4096, MADV_PAGEOUT);
	partition(3, 1);
	if (pread(memory, &byte, 1, 0) != -1)
		return puts("cannot be run: the page can be read"), 2;
	partition(3, 1024);
	if (ftruncate(memory, 0) || ftruncate(memory, 4096))
		return perror("ftruncate"), 2;
	done = pread(memory, &byte, 1, 0);
	if (!fork())
		_exit(*(volatile char *)p);
	wait(&status);
	if (done == 1 && !byte && !status)
		return puts("ok"), 0;
	printf("BROKEN: a read of a new page returns %d, and a touch raises signal %d\n", done, WTERMSIG(status));
	return 1;
}
