// Expected: SHM_UNLOCK takes what SHM_LOCK has charged to RLIMIT_MEMLOCK. It does if the size of the segment is the same
// (the control).
// Linux 7.3.4: it takes the size that the segment has by then. If somebody has made the segment shorter
// (through /proc/PID/map_files), the rest stays charged to the user for ever. Needs root. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
#define MB (1L << 20)

// Returns whether a user with RLIMIT_MEMLOCK of 8 MiB can lock 6 MiB after he has locked and unlocked 4 MiB.
static int locks(int user, int cut)
{
	int id = shmget(IPC_PRIVATE, 4 * MB, 0666), fd, status;
	struct rlimit limit = { 8 * MB, 8 * MB };
	struct shmid_ds ds;
	char name[99], *p = shmat(id, 0, 0);
	int ready[2], go[2];

	if (shmctl(id, IPC_STAT, &ds) || pipe(ready) || pipe(go))
		return -1;
	ds.shm_perm.uid = user;
	shmctl(id, IPC_SET, &ds);
	if (!fork()) {
		if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(user, user, user) || shmctl(id, SHM_LOCK, 0))
			_exit(2);
		write(ready[1], "", 1);
		read(go[0], name, 1);
		if (shmctl(id, SHM_UNLOCK, 0))
			_exit(2);
		_exit(shmctl(shmget(IPC_PRIVATE, 6 * MB, 0600), SHM_LOCK, 0) != 0);
	}
	close(ready[1]);
	read(ready[0], name, 1);
	snprintf(name, sizeof(name), "/proc/self/map_files/%lx-%lx", (long)p, (long)p + 4 * MB);
	fd = open(name, O_RDWR);
	if (fd < 0 || (cut && ftruncate(fd, 0)))
		return perror(name), -1;
	write(go[1], "", 1);
	wait(&status);
	shmdt(p), shmctl(id, IPC_RMID, 0), close(fd);
	return WEXITSTATUS(status) == 2 ? -1 : !WEXITSTATUS(status);
}

int main(void)
{
	int same = locks(1000, 0), cut = locks(1001, 1);

	if (same != 1 || cut < 0)
		return puts("cannot be run"), 2;
	return puts(cut ? "ok" : "BROKEN: after SHM_LOCK and SHM_UNLOCK of 4 MiB, 4 MiB stay charged to the user"), !cut;
}
