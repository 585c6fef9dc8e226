# mm/memory.c
# a fault on a device-exclusive entry takes no reference to the folio
/^static vm_fault_t remove_device_exclusive_entry/,/^}$/{
s/if (!folio_try_get(folio))$/if (0)/
s/folio_put(folio);/(void)0;/
}
