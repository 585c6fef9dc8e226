# With huge pages, the judge's driver stopped at the first page that may not be written. In the
# guest, 64 pages stand for one page of the program (`mm-triage linux --huge`). Only the first of
# them came back from the device.
thp madvise
mmap p0 0 1 rw
uffd-register p0 0 1
migrate p0 0 1 d0
uffd-wp p0 0 1 on
dev-write d0 p0 0
migrate p0 0 1 d0
get p0 0 w
