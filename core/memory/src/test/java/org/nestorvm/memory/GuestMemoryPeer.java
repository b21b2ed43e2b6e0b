package org.nestorvm.memory;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import org.nestorvm.memory.sys.ErrnoException;
import org.nestorvm.memory.sys.HostMemory;
import org.nestorvm.memory.sys.MemoryCalls;

/**
 * The main class of the second process of {@link SecondProcessTest}. It connects to the path it is given and then does
 * what it is told: a message is a command and two numbers, 24 bytes, the answer one number, 8 bytes.
 */
final class GuestMemoryPeer {
    static final int COMMAND_BYTES = 24, ANSWER_BYTES = 8;

    enum Command {
        /**
         * Adopts the descriptor that comes along, of this size, and maps it; sealed if the second number is 1. Answers
         * whether it is sealed.
         */
        MAP,
        /** Creates an object of this size, maps it unsealed, and answers 0 with its descriptor. */
        CREATE,
        READ,
        WRITE,
        /** Answers the errno of munmap, mprotect or a read-only mapping placed over it, 0 for success. */
        UNMAP,
        PROTECT,
        MAP_OVER,
        /** Makes this many bytes resident, from the start. */
        FILL,
        /** Answers 1 if the kernel shows all of sl, dc and dd for the mapping. */
        FLAGS_SHOWN
    }

    private MemoryObject object;
    private Mapping mapping;

    private GuestMemoryPeer() {}

    public static void main(String[] arguments) throws IOException {
        GuestMemoryPeer peer = new GuestMemoryPeer();
        try (DescriptorChannel channel = DescriptorChannel.connect(Path.of(arguments[0]))) {
            DescriptorChannel.Message message;
            while ((message = channel.receive(COMMAND_BYTES, 1)) != null) {
                try (DescriptorChannel.Message request = message) {
                    ByteBuffer numbers = ByteBuffer.wrap(request.bytes());
                    Command command = Command.values()[(int) numbers.getLong()];
                    byte[] answer = ByteBuffer.allocate(ANSWER_BYTES)
                            .putLong(peer.obey(command, numbers.getLong(), numbers.getLong(), request))
                            .array();
                    if (command == Command.CREATE) channel.send(answer, peer.object.descriptor());
                    else channel.send(answer);
                }
            }
        }
    }

    private long obey(Command command, long first, long second, DescriptorChannel.Message message) throws IOException {
        return switch (command) {
            case MAP -> {
                object = MemoryObject.adopt("peer", message.take(0), first);
                mapping = AddressSpace.map(object, second == 1);
                yield mapping.sealed() ? 1 : 0;
            }
            case CREATE -> {
                object = MemoryObject.create("owner" + second, first);
                mapping = AddressSpace.map(object, false);
                yield 0;
            }
            case READ -> HostMemory.getLong(mapping.hostAddress() + first);
            case WRITE -> {
                HostMemory.putLong(mapping.hostAddress() + first, second);
                yield 1;
            }
            case FILL -> {
                mapping.makeResident(0, first);
                yield object.residentBytes();
            }
            case UNMAP -> -MemoryCalls.tryMunmap(mapping.hostAddress() + first, second);
            case PROTECT -> protect(first, second);
            case MAP_OVER ->
                -Math.min(
                        0,
                        MemoryCalls.tryMmap(
                                mapping.hostAddress() + first,
                                second,
                                MemoryCalls.PROT_READ,
                                MemoryCalls.MAP_FIXED | MemoryCalls.MAP_PRIVATE | MemoryCalls.MAP_ANONYMOUS,
                                -1,
                                0));
            case FLAGS_SHOWN -> Proc.flags(mapping.hostAddress()).containsAll(List.of("sl", "dc", "dd")) ? 1 : 0;
        };
    }

    private long protect(long offset, long size) {
        try {
            MemoryCalls.mprotect(object, mapping.hostAddress() + offset, size, MemoryCalls.PROT_READ);
            return 0;
        } catch (ErrnoException e) {
            return e.errno();
        }
    }
}
