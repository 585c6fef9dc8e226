// Expected: /proc/kpageflags shows NOPAGE (bit 20) where no page frame exists
// (Documentation/admin-guide/mm/pagemap.rst).
// Linux 7.3.4: it shows 0, as for a page without flags. The program takes a block of memory offline, and
// brings it back. Needs CONFIG_MEMORY_HOTREMOVE and root. cc -static
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define MEMORY "/sys/devices/system/memory/"

int main(void)
{
	char path[64], text[32] = "";
	uint64_t flags = ~0ULL, page;
	int block, state, sizes = open(MEMORY "block_size_bytes", O_RDONLY), file = open("/proc/kpageflags", O_RDONLY);

	if (file < 0 || read(sizes, text, sizeof(text) - 1) <= 0)
		return perror("kpageflags, block_size_bytes"), 2;
	for (block = 63; block >= 0; block--) {
		sprintf(path, MEMORY "memory%d/state", block);
		state = open(path, O_WRONLY);
		if (state < 0 || write(state, "offline", 7) != 7)
			continue;
		page = block * strtoull(text, 0, 16) / 4096;
		pread(file, &flags, sizeof(flags), page * sizeof(flags));
		write(state, "online", 6);
		if (flags == 1 << 20)
			return puts("ok"), 0;
		printf("BROKEN: /proc/kpageflags shows %#llx, not NOPAGE, for a page that does not exist\n", (unsigned long long)flags);
		return 1;
	}
	return puts("no block of memory can be taken offline"), 2;
}
