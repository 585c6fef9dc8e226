// Expected: shmdt fails, or the segment is detached.
// Linux 7.3.4: shmdt of an attach that mseal has sealed says 0, and the segment stays attached. cc -static
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	int id = shmget(IPC_PRIVATE, 4096, 0600), result;
	struct shmid_ds segment;
	char *p = shmat(id, 0, 0);
	unsigned char resident;

	strcpy(p, "still here");
	if (syscall(462 /* mseal */, p, 4096L, 0L))
		return perror("cannot be run: mseal"), 2;
	result = shmdt(p);
	shmctl(id, IPC_STAT, &segment);
	if (!result && !mincore(p, 4096, &resident))
		return printf("BROKEN: shmdt says 0, %ld attach is left, and the memory contains '%s'\n", (long)segment.shm_nattch, p), 1;
	return puts("ok"), 0;
}
