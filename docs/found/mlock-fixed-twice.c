// Expected: RLIMIT_MEMLOCK limits the memory that is locked (getrlimit(2)). Memory that the call
// replaces is no longer locked after it: mlock takes that into account, and so does mmap with RLIMIT_AS.
// Linux 7.3.4: mmap with MAP_FIXED counts the memory that it replaces, and fails. cc -static
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#define SIZE (1L << 20)

static void *map(void *place, int flags)
{
	return mmap(place, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

int main(void)
{
	struct rlimit limit = { SIZE * 3 / 2, SIZE * 3 / 2 };
	char *p;
	int error;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(1000, 1000, 1000))
		return perror("setresuid"), 2;
	if ((p = map(0, MAP_LOCKED)) == MAP_FAILED || mlock(p, SIZE))
		return perror("mlock"), 2;
	error = map(p, MAP_FIXED | MAP_LOCKED) == MAP_FAILED ? errno : 0;
	if (!error)
		return printf("ok\n"), 0;
	if (map(p, MAP_FIXED) == MAP_FAILED || mlock(p, SIZE))
		return perror("twin"), 2;
	printf("BROKEN: mmap of 1 MiB in place of 1 MiB that is locked: %s, with RLIMIT_MEMLOCK of 1.5 MiB\n", strerror(error));
	return 1;
}
