// Expected: mlock fails with EINVAL if addr + len overflows (mlock(2)).
// Linux 7.3.4: a length that rounds up to 0 locks nothing, and the call succeeds. msync is the same.
// madvise fails. cc -static
#include <stdio.h>
#include <sys/mman.h>

int main(void)
{
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int locked = !mlock(p, -1), synced = !msync(p, -1, MS_SYNC), advised = !madvise(p, -1, MADV_NORMAL);

	if (p == MAP_FAILED || advised)
		return 2;
	printf(locked ? "BROKEN: mlock of SIZE_MAX bytes succeeds%s, and madvise fails\n" : "ok\n", synced ? ", and so does msync" : "");
	return locked;
}
