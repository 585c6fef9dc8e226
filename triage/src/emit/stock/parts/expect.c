static void expect(int step, const char *what, long got, long wanted)
{
	if (got != wanted)
		dprintf(1, "BROKEN: step %d: %s: %ld, not %ld\n", step, what, got, wanted), stop(1);
}
