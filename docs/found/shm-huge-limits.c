// Expected: kernel.shmall limits the pages of System V shared memory, and kernel.shmmax the size of a
// segment (sysctl, shmget(2)).
// Linux 7.3.4: a segment of huge pages counts with the size that was asked for. Needs CONFIG_SYSVIPC,
// CONFIG_HUGETLBFS and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

static void set(char *name, char *value)
{
	int fd = open(name, O_WRONLY);

	write(fd, value, strlen(value));
	close(fd);
}

int main(void)
{
	int huge, small, written = 0;
	unsigned char *p;

	set("/proc/sys/vm/nr_hugepages", "2");
	set("/proc/sys/kernel/shmall", "16");
	set("/proc/sys/kernel/shmmax", "65536");
	small = shmget(IPC_PRIVATE, 65537, IPC_CREAT | 0600);
	huge = shmget(IPC_PRIVATE, 4096, IPC_CREAT | SHM_HUGETLB | 0600);
	if (small >= 0 || huge < 0)
		return puts("cannot be run: no limit, or no huge page"), 2;
	p = shmat(huge, 0, 0);
	shmctl(huge, IPC_RMID, 0);
	for (long i = 0; i < 2L << 20; i += 4096)
		written += ++p[i];
	set("/proc/sys/vm/nr_hugepages", "0");
	printf(written == 512 ? "BROKEN: with limits of 64 KiB, a segment has %d KiB of huge pages\n" : "ok\n", written * 4);
	return written == 512;
}
