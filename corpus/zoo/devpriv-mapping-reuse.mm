# devpriv-mapping-reuse (7ab0ad0e74f8): a freed device page keeps ->mapping, and
# __page_set_anon_rmap trusts it when the page is reused.
# The process exits at the end of the program, and the free page still has its mapping.
mmap p0 5 1 r
migrate p0 5 1 d0
