// Expected: shm_nattch is the number of current attaches (shmctl(2)).
// Linux 7.3.4: mprotect or mlock of a part of an attached segment raises it for as long as the segment is
// attached. Needs CONFIG_SYSVIPC. cc -static
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#define PAGE 4096L

static int attaches(int id)
{
	struct shmid_ds state = { .shm_nattch = 99 };

	shmctl(id, IPC_STAT, &state);
	return state.shm_nattch;
}

int main(void)
{
	int id = shmget(IPC_PRIVATE, 8 * PAGE, IPC_CREAT | 0600), split, back;
	char *p = shmat(id, 0, 0);

	if (id < 0 || attaches(id) != 1)
		return puts("cannot be run: no shmget"), 2;
	mprotect(p + PAGE, PAGE, PROT_READ);
	split = attaches(id);
	mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE);
	back = attaches(id);
	shmdt(p);
	if (attaches(id))
		return 2;
	printf(split != 1 || back != 1 ? "BROKEN: a segment is attached once, and shm_nattch is %d after mprotect of a part, %d when mprotect is taken back\n" : "ok\n", split, back);
	shmctl(id, IPC_RMID, 0);
	return split != 1 || back != 1;
}
