package org.nestorvm.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.Callable;
import org.nestorvm.isolation.ForegroundDevice;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Unmatched;

/**
 * {@code nestor device KIND --socket PATH}: a device for a front end of somebody else's. Its options are those of the
 * device process, which reads them itself.
 */
@Command(
        name = "device",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        description = "Serves one device over vhost-user, in a confined process, to the first front end that connects "
                + "to PATH (QEMU, or `nestor run --vhost-user`); it ends with that.",
        customSynopsis = "nestor device KIND --socket PATH [OPTIONS]",
        footer = {
            "",
            "KIND and its options, which `nestor run` has under the same names:",
            "  blk      --file FILE [--format raw|qcow2] [--readonly on|off] [--serial TEXT] [--queues N] "
                    + "[--threads N]",
            "  net      --net user|tap=NAME|unix=PATH[,...]",
            "  cdrom    --file FILE",
            "  vsock    --vsock PATH|path=PATH[,cid=N][,connections=N]",
            "  console  --console stdio|none [--virtio-console port=NAME:PATH,...]",
            "  balloon  [--balloon target=SIZE,...]",
            "  rng",
            "With each: --confine off, to keep its rights; --name TEXT, for its messages; --fd N instead of "
                    + "--socket, a connected socket that it inherits."
        })
final class DeviceCommand implements Callable<Integer> {
    static final class Kinds implements Iterable<String> {
        @Override
        public Iterator<String> iterator() {
            return ForegroundDevice.kinds().iterator();
        }
    }

    @Parameters(arity = "0..1", paramLabel = "KIND", completionCandidates = Kinds.class, description = "See below.")
    private String kind;

    @Unmatched
    private final List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws IOException {
        List<String> all = new ArrayList<>(arguments);
        if (kind != null) all.addFirst(kind);
        return ForegroundDevice.run(all.toArray(String[]::new));
    }
}
