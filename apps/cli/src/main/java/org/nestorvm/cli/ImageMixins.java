package org.nestorvm.cli;

import java.nio.file.Path;
import org.nestorvm.disk.OpenOptions;
import picocli.CommandLine.Option;

/** Options that several commands of {@code nestor image} take, each written once. */
final class ImageMixins {
    private ImageMixins() {}

    enum ImageFormat {
        RAW,
        QCOW2;

        @Override
        public String toString() {
            return EnumWords.word(this);
        }

        /** @param format null: told by the file's first bytes */
        static OpenOptions of(OpenOptions options, ImageFormat format) {
            return format == null ? options : options.withFormat(format.toString());
        }

        /** @param format null for none */
        static String name(ImageFormat format) {
            return format == null ? null : format.toString();
        }
    }

    static final class SourceFormat {
        @Option(
                names = "-f",
                paramLabel = "FORMAT",
                description = "The format of the image: raw or qcow2 (default: told by its first bytes).")
        private ImageFormat format;

        OpenOptions of(OpenOptions options) {
            return ImageFormat.of(options, format);
        }
    }

    static final class Share {
        @Option(
                names = {"-U", "--force-share"},
                description = "Also while another process writes to the image; what is told may be out of date.")
        private boolean share;

        /** For reading. */
        OpenOptions options() {
            return share ? OpenOptions.READ.unlocked() : OpenOptions.READ;
        }
    }

    static final class Progress {
        @Option(names = "-p", description = "Show the progress also where standard error is no terminal.")
        private boolean asked;

        ImageProgress show(String title, Path file, boolean quiet) {
            return new ImageProgress(title, file, asked, quiet);
        }
    }

    static final class Output {
        enum Form {
            HUMAN,
            JSON;

            @Override
            public String toString() {
                return EnumWords.word(this);
            }
        }

        @Option(
                names = "--output",
                paramLabel = "human|json",
                defaultValue = "human",
                description = "Text for people or for programs (default: human).")
        private Form form;

        boolean json() {
            return form == Form.JSON;
        }
    }
}
