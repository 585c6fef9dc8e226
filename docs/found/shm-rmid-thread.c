// Expected: with kernel.shm_rmid_forced = 1, a segment that was never attached is destroyed "on exit from
// the process" (Documentation/admin-guide/sysctl/kernel.rst). Linux 7.3.4: it is destroyed when the thread
// ends that has made it. Needs CONFIG_SYSVIPC and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

static void *make(void *id)
{
	*(int *)id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	return 0;
}

int main(void)
{
	int fd = open("/proc/sys/kernel/shm_rmid_forced", O_WRONLY), own, other = -1;
	pthread_t thread;
	void *twin, *found;

	if (fd < 0 || write(fd, "1", 1) != 1)
		return perror("shm_rmid_forced"), 2;
	make(&own);
	if (pthread_create(&thread, 0, make, &other) || pthread_join(thread, 0) || own < 0 || other < 0)
		return perror("shmget"), 2;
	usleep(100000);
	twin = shmat(own, 0, 0);
	if (twin == (void *)-1)
		return perror("shmat"), 2;
	found = shmat(other, 0, 0);
	if (found == (void *)-1)
		perror("shmat");
	puts(found == (void *)-1 ? "BROKEN: the process lives, and its segment is gone that a thread has made which has ended" : "ok");
	return found == (void *)-1;
}
