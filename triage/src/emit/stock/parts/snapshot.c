/* 1 readable, 2 writable, 0x10 the zero page, 0x20 on this device, 0xff no access. */
static void snapshot(int step, int dev, int page, int pages, const unsigned char *wanted)
{
	const unsigned char *got = (const unsigned char *)mirror;
	expect(step, "HMM_DMIRROR_SNAPSHOT", device(dev, SNAPSHOT, page, pages), pages);
	for (int i = 0; i < pages; i++)
		if (got[i] != wanted[i])
			dprintf(1, "BROKEN: step %d: the device sees page %d as %#x, not %#x\n", step, page + i, got[i], wanted[i]), stop(1);
}
