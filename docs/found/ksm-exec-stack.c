// Expected: with PR_SET_MEMORY_MERGE, all compatible memory is mergeable (VmFlags "mg"): the stack, too.
// The setting goes on after execve.
// Linux 7.3.4: the stack of the new program is not mergeable, and the prctl does not make it so. cc -static
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif

// Is the memory at the address mergeable, by its VmFlags in smaps?
static int mergeable(void *address)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[512];
	unsigned long start, end;
	int inside = 0, flag = -1;

	while (smaps && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)address && (unsigned long)address < end;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			flag = !!strstr(line, " mg");
	}
	if (smaps)
		fclose(smaps);
	return flag;
}

int main(int argc, char **argv)
{
	int before, twin, again;
	char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argc < 2) {
		if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0))
			return perror("PR_SET_MEMORY_MERGE"), 2;
		if (mergeable(&argc) != 1)
			return fprintf(stderr, "before: %d\n", mergeable(&argc)), 2;
		execl("/proc/self/exe", argv[0], "again", NULL);
		return perror("execl"), 2;
	}
	before = mergeable(&argc), twin = mergeable(map);
	again = prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) ? -1 : mergeable(&argc);
	if (prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) != 1 || twin != 1)
		return fprintf(stderr, "after: %d %d\n", before, twin), 2;
	if (before)
		return printf("ok\n"), 0;
	printf("BROKEN: after execve, anonymous memory is mergeable, but the stack is not; a second prctl: %d\n", again);
	return 1;
}
