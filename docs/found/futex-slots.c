// Expected: PR_FUTEX_HASH_SET_SLOTS refuses more slots than fit into memory, and changes nothing.
// Linux 7.3.4: the number is cut to 32 bits. 2^32 slots become 0 slots, which selects the global
// hash for good. 2^31 slots (the twin) fail with ENOMEM. cc -static
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#define FUTEX_HASH 78
#define SET_SLOTS 1
#define GET_SLOTS 2

static int set(unsigned long size)
{
	return prctl(FUTEX_HASH, SET_SLOTS, size, 0, 0) ? errno : 0;
}

static int get(void)
{
	return prctl(FUTEX_HASH, GET_SLOTS, 0, 0, 0);
}

int main(void)
{
	int error = set(16);
	if (error || get() != 16)
		return puts("cannot be run: no private hash of 16 slots"), 2;
	int twin = set(1UL << 31);
	if (twin != ENOMEM || get() != 16)
		return puts("cannot be run: 2^31 slots do not fail with ENOMEM"), 2;
	error = set(1UL << 32);
	int slots = get(), again = set(16);
	if (error && slots == 16 && !again)
		return puts("ok: 2^32 slots fail, and 16 slots are left"), 0;
	printf("BROKEN: 2^31 slots: %s; 2^32 slots: %s, then there are %d slots; 16 again: %s\n",
	       strerror(twin), error ? strerror(error) : "success", slots,
	       again ? strerror(again) : "success");
	return 1;
}
