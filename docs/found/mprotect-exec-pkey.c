// Expected: the default key is assigned to memory "for which a protection key has not been explicitly
// assigned" (pkeys(7)); mprotect without a key keeps the key. Linux 7.3.4: mprotect with PROT_EXEC replaces
// the key, and the next mprotect sets the default key: writes that the key denies pass. The twins go by
// PROT_NONE and by PROT_READ | PROT_EXEC. cc -static
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
static sigjmp_buf back;

static void handler(int number)
{
	siglongjmp(back, number);
}

static int denied(int pkey, int between) // whether a write is denied
{
	volatile char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pkey_mprotect((void *)p, 4096, PROT_READ | PROT_WRITE, pkey) || mprotect((void *)p, 4096, between) ||
	    mprotect((void *)p, 4096, PROT_READ | PROT_WRITE))
		return -1;
	if (sigsetjmp(back, 1)) {
		pkey_set(pkey, PKEY_DISABLE_ACCESS);
		return 1;
	}
	*p = 1;
	return 0;
}

int main(void)
{
	int pkey = pkey_alloc(0, PKEY_DISABLE_ACCESS);

	if (pkey < 0)
		return perror("pkey_alloc"), 2;
	signal(SIGSEGV, handler);
	int none = denied(pkey, PROT_NONE), both = denied(pkey, PROT_READ | PROT_EXEC), exec = denied(pkey, PROT_EXEC);
	if (none != 1 || both != 1 || exec < 0)
		return printf("cannot be run: %d %d %d\n", none, both, exec), 2;
	if (exec)
		return puts("ok"), 0;
	puts("BROKEN: after mprotect with PROT_EXEC and with PROT_READ | PROT_WRITE, a write passes that the protection key of the memory denies; by PROT_NONE or PROT_READ | PROT_EXEC, the key stays");
	return 1;
}
