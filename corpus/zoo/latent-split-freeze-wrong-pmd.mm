# latent-split-freeze-wrong-pmd (7.3.4 has it): if a source folio is split in the middle of a
# migration, the split freezes the huge entry that is now at the folio's address. Here that entry
# names a new huge page.
thp always
mmap p0 0 8 rw
write p0 0
setup p0 0 8 d0 to-dev
dontneed p0 0 8
write p0 0
fail device-page 1
pages m0
