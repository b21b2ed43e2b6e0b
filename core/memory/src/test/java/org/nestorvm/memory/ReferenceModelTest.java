package org.nestorvm.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.LongRange;
import org.nestorvm.memory.sys.MemoryCalls;

class ReferenceModelTest {
    private static final int PAGE = MemoryCalls.PAGE_BYTES;

    enum Action {
        REFERENCE,
        RELEASE,
        MAP,
        UNMAP
    }

    /** Against a model that is a number and a list: the object lives exactly as long as the number is above zero. */
    @Property(tries = 300)
    void followsTheModel(@ForAll List<Action> actions) throws IOException {
        int live = MemoryObject.liveCount();
        int mapped = AddressSpace.mappedCount();
        MemoryObject object = MemoryObject.create("model", PAGE);
        int held = 1;
        List<Mapping> mappings = new ArrayList<>();
        for (Action action : actions) {
            boolean alive = held + mappings.size() > 0;
            switch (action) {
                case REFERENCE -> {
                    if (alive) {
                        object.reference();
                        held++;
                    } else assertThrows(IllegalStateException.class, object::reference);
                }
                case RELEASE -> {
                    if (held > 0) {
                        object.release();
                        held--;
                    } else if (!alive) assertThrows(IllegalStateException.class, object::release);
                }
                case MAP -> {
                    if (alive) mappings.add(AddressSpace.map(object, false));
                    else assertThrows(IllegalStateException.class, () -> AddressSpace.map(object, false));
                }
                case UNMAP -> {
                    if (!mappings.isEmpty()) mappings.removeLast().unmap();
                }
            }
            assertEquals(held + mappings.size(), object.referenceCount());
            assertEquals(mapped + mappings.size(), AddressSpace.mappedCount());
            assertEquals(live + (object.referenceCount() > 0 ? 1 : 0), MemoryObject.liveCount());
        }
        for (Mapping mapping : mappings) mapping.unmap();
        for (; held > 0; held--) object.release();
        assertEquals(live, MemoryObject.liveCount());
    }

    @Property
    void rangeIsAcceptedExactlyWhenAllOfItLiesInside(
            @ForAll @LongRange(min = -3, max = 12) long offset, @ForAll @LongRange(min = -3, max = 12) long size)
            throws IOException {
        MemoryObject object = MemoryObject.create("range", 8 * PAGE);
        boolean inside = offset >= 0 && size >= 0 && offset + size <= 8;
        assertEquals(inside, accepts(object, offset * PAGE, size * PAGE));
        object.release();
    }

    @Property
    void extremeRangesNeverPass(@ForAll long offset, @ForAll long size) throws IOException {
        MemoryObject object = MemoryObject.create("range", 8 * PAGE);
        boolean inside = offset >= 0
                && size >= 0
                && Math.addExact(Math.min(offset, 1L << 40), Math.min(size, 1L << 40)) <= 8 * PAGE;
        assertEquals(inside, accepts(object, offset, size));
        object.release();
    }

    private static boolean accepts(MemoryObject object, long offset, long size) {
        try {
            object.checkRange(offset, size);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }
}
