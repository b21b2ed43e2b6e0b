package org.nestorvm.cli;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.nestorvm.isolation.ForegroundDevice;
import picocli.CommandLine.Command;
import picocli.CommandLine.Unmatched;

/** {@code nestor device KIND --socket PATH}: a device for a front end of somebody else's. Its options are those of the device process, which reads them itself. */
@Command(name = "device", hidden = true)
final class DeviceCommand implements Callable<Integer> {
    @Unmatched private final List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws IOException {
        return ForegroundDevice.run(arguments.toArray(String[]::new));
    }
}
