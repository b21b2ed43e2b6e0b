package org.nestorvm.paging;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a nested page table is, as a plain map from guest-physical address to the page that starts there. */
final class TableModel {
    record Page(int shift, long host, int rights, boolean accessed, boolean dirty) {
        Page withRights(int newRights) {
            return new Page(shift, host, newRights, accessed, dirty);
        }

        Page used(boolean write) {
            return new Page(shift, host, rights, true, dirty || write);
        }
    }

    final TreeMap<Long, Page> pages = new TreeMap<>();

    /** The page that maps {@code gpa}, or null. */
    Map.Entry<Long, Page> find(long gpa) {
        Map.Entry<Long, Page> at = pages.floorEntry(gpa);
        return at != null && gpa - at.getKey() < 1L << at.getValue().shift ? at : null;
    }

    void enter(long gpa, long host, int shift, int rights) {
        Map.Entry<Long, Page> there = find(gpa);
        if (there != null && there.getValue().shift > shift) {
            Page large = there.getValue();
            if (large.host + gpa - there.getKey() == host && large.rights == rights) return;
            cut(gpa, Access.ALL);
            cut(gpa + (1L << shift), Access.ALL);
        }
        boolean accessed = false, dirty = false;
        for (Map.Entry<Long, Page> old : pages.subMap(gpa, gpa + (1L << shift)).entrySet()) {
            boolean samePage = old.getValue().host == host + old.getKey() - gpa;
            accessed |= samePage && old.getValue().accessed;
            dirty |= samePage && old.getValue().dirty;
        }
        pages.subMap(gpa, gpa + (1L << shift)).clear();
        pages.put(gpa, new Page(shift, host, rights, accessed, dirty));
    }

    /** Splits until no page reaches across {@code gpa}. */
    private void cut(long gpa, int onlyWithRights) {
        for (Map.Entry<Long, Page> at = find(gpa); at != null && at.getKey() != gpa; at = find(gpa)) {
            if ((at.getValue().rights & onlyWithRights) == 0) return;
            splitPage(at);
        }
    }

    private void splitPage(Map.Entry<Long, Page> at) {
        Page old = at.getValue();
        int shift = old.shift - 9;
        for (long i = 0; i < 512; i++) {
            pages.put(
                    at.getKey() + (i << shift),
                    new Page(shift, old.host + (i << shift), old.rights, old.accessed, old.dirty));
        }
    }

    boolean split(long gpa) {
        Map.Entry<Long, Page> at = find(gpa);
        if (at == null || at.getValue().shift == 12) return false;
        splitPage(at);
        return true;
    }

    boolean merge(long gpa, int shift) {
        Map.Entry<Long, Page> there = find(gpa);
        if (there == null) return false;
        if (there.getValue().shift >= shift) return true;
        for (long i = 0; shift == 30 && i < 512; i++) {
            if (!merge(gpa + (i << 21), 21)) return false;
        }
        Page first = there.getValue();
        if ((first.host & (1L << shift) - 1) != 0) return false;
        boolean accessed = false, dirty = false;
        for (long i = 0; i < 512; i++) {
            Page page = pages.get(gpa + (i << shift - 9));
            if (page == null
                    || page.shift != shift - 9
                    || page.host != first.host + (i << shift - 9)
                    || page.rights != first.rights) return false;
            accessed |= page.accessed;
            dirty |= page.dirty;
        }
        pages.subMap(gpa, gpa + (1L << shift)).clear();
        pages.put(gpa, new Page(shift, first.host, first.rights, accessed, dirty));
        return true;
    }

    void remove(long gpa, long size) {
        cut(gpa, Access.ALL);
        cut(gpa + size, Access.ALL);
        pages.subMap(gpa, gpa + size).clear();
    }

    void writeProtect(long gpa, long size) {
        cut(gpa, Access.WRITE);
        cut(gpa + size, Access.WRITE);
        pages.subMap(gpa, gpa + size).replaceAll((at, page) -> page.withRights(page.rights & ~Access.WRITE));
    }

    /** @return the guest-physical addresses of the 4 KiB pages that were dirty (or accessed) */
    List<Long> clear(long gpa, long size, boolean dirtyBits) {
        cutMarked(gpa, dirtyBits);
        cutMarked(gpa + size, dirtyBits);
        List<Long> had = new ArrayList<>();
        pages.subMap(gpa, gpa + size).replaceAll((at, page) -> {
            if (dirtyBits ? !page.dirty : !page.accessed) return page;
            for (long p = at; p < at + (1L << page.shift); p += 4096) had.add(p);
            return new Page(page.shift, page.host, page.rights, dirtyBits && page.accessed, !dirtyBits && page.dirty);
        });
        return had;
    }

    private void cutMarked(long gpa, boolean dirtyBits) {
        for (Map.Entry<Long, Page> at = find(gpa); at != null && at.getKey() != gpa; at = find(gpa)) {
            if (dirtyBits ? !at.getValue().dirty : !at.getValue().accessed) return;
            splitPage(at);
        }
    }

    /** @return the host address, or -1 when the access is not allowed */
    long walk(long gpa, int access) {
        Map.Entry<Long, Page> at = find(gpa);
        if (at == null || (access & ~at.getValue().rights) != 0) return -1;
        pages.put(at.getKey(), at.getValue().used((access & Access.WRITE) != 0));
        return at.getValue().host + gpa - at.getKey();
    }

    long residentUnits() {
        return pages.values().stream().mapToLong(page -> 1L << page.shift - 12).sum();
    }
}
