package org.nestorvm.boot.guest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkFolderTest {
    @TempDir
    Path directory;

    @Test
    void whatAKilledFetchHasLeftIsRemovedAndOneUnderWayStays() throws Exception {
        Path left = WorkFolder.create(directory), underWay = WorkFolder.create(directory);
        Files.writeString(Files.createDirectory(left.resolve("guest")).resolve("vmlinuz"), "half");
        Files.setLastModifiedTime(left, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
        Path now = WorkFolder.create(directory);
        assertThat(directory).isDirectoryContaining(underWay::equals).isDirectoryContaining(now::equals);
        assertThat(left).doesNotExist();
        WorkFolder.delete(now);
        assertThat(now).doesNotExist();
    }
}
