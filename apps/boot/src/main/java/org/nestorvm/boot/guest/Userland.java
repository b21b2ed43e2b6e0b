package org.nestorvm.boot.guest;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.nestorvm.boot.BootException;

/**
 * A root file system that is not ours: Debian's packages with all that they depend on, unpacked, without running their
 * installation scripts. It boots to bash, or runs the programs under {@code /checks} and powers off. Packages are
 * downloaded through apt once and kept; a list says which make a set.
 */
public final class Userland {
    /** Sets of packages. Busybox is there for init, since mounting and power-off are in none of the others. */
    public enum Packages {
        SMALL(
                "bash",
                "coreutils",
                "sed",
                "grep",
                "mawk",
                "perl-base",
                "python3-minimal",
                "libc6-i386",
                "busybox-static"),
        FULL(
                "bash",
                "coreutils",
                "sed",
                "grep",
                "mawk",
                "findutils",
                "diffutils",
                "gzip",
                "perl",
                "python3",
                "sqlite3",
                "gcc",
                "gcc-multilib",
                "libc6-dev",
                "busybox-static");

        private final List<String> names;

        Packages(String... names) {
            this.names = List.of(names);
        }

        String listName() {
            return name().toLowerCase(Locale.ROOT) + ".list";
        }
    }

    /** Part of the folder's name: raised when {@link Packages} changes. */
    private static final int RECIPE = 1;
    /**
     * What no program here reads: texts, translations, character sets, the x32 ABI, link-time optimisation, package
     * management, sanitizers' libraries.
     */
    private static final Pattern LEFT_OUT = Pattern.compile(
            "usr/share/(doc|man|info|locale|lintian|bug|i18n|zoneinfo|perl5/Debconf|gdb)/.*|.*/gconv/.*|(usr/)?l"
                    + "ibx32/.*|.*/12/x32/.*|.*/lto1|.*/lto-wrapper|usr/bin/dpkg.*"
                    + "|var/.*|.*/lib(a|t|l|ub)san.*|.*/lib(itm|gomp|quadmath|atomic|gprofng|stdc\\+\\+).*|.*/li"
                    + "bc\\.a|.*/libpython3.*\\.(so.*|a)");

    private final Path folder;
    private final Apt apt;

    /**
     * @param cache the folder of this program, as {@link DefaultGuest#cacheFolder} has it; need not exist yet @param
     *     searchPath where apt-get is looked for, like PATH
     */
    public Userland(Path cache, String searchPath) {
        this.folder = cache.resolve("userland-" + RECIPE);
        this.apt = new Apt(searchPath, "userland", "use a host with apt-get and Debian 12's packages");
    }

    /**
     * The root file system; fetches what is not there. @throws BootException with one line when packages cannot be had
     */
    public Initramfs make(Packages packages, Progress progress) throws BootException {
        try {
            Path list = folder.resolve(packages.listName());
            if (!Files.exists(list)) fetch(packages.names, list, progress);
            Initramfs root = new Initramfs();
            for (String file : Files.readAllLines(list)) root.debPackage(folder.resolve(file), wanted());
            return complete(root);
        } catch (BootException e) {
            throw e;
        } catch (IOException e) {
            throw new BootException(
                    "userland: " + folder + " cannot be made or read (" + e
                            + "); make room there or set XDG_CACHE_HOME",
                    e);
        }
    }

    private static Predicate<String> wanted() {
        return LEFT_OUT.asMatchPredicate().negate();
    }

    /**
     * The list appears last and in one rename: a fetch that is cut short, or two at once, leave packages but no wrong
     * list.
     */
    private void fetch(List<String> names, Path list, Progress progress) throws IOException {
        progress.at(0, "asking apt");
        Files.createDirectories(folder);
        List<String> all = apt.withDependencies(names),
                missing = all.stream().filter(each -> !Files.exists(kept(each))).toList();
        Path work = WorkFolder.create(folder);
        try {
            if (!missing.isEmpty()) {
                for (Path deb : apt.download(work, done -> progress.at(done, "downloading"), missing)) {
                    Files.move(deb, folder.resolve(deb.getFileName()), StandardCopyOption.ATOMIC_MOVE);
                }
            }
            Path made = Files.write(
                    work.resolve("list"),
                    all.stream()
                            .map(each -> kept(each).getFileName().toString())
                            .toList());
            Files.move(made, list, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            WorkFolder.delete(work);
        }
    }

    /** The file that apt makes of a package, which need not be here yet. A version's colon is written as %3a. */
    private Path kept(String nameAndVersion) {
        String start = nameAndVersion.replace('=', '_').replace(":", "%3a");
        Path forAll = folder.resolve(start + "_all.deb");
        return Files.exists(forAll) ? forAll : folder.resolve(start + "_amd64.deb");
    }

    /** What installation scripts and the kernel's boot would add. */
    private static Initramfs complete(Initramfs root) throws IOException {
        for (String path : List.of("proc", "sys", "dev", "run", "checks")) root.directory(path, 0755);
        root.directory("tmp", 01777).directory("root", 0700);
        root.characterDevice("dev/console", 0600, 5, 1).characterDevice("dev/null", 0666, 1, 3);
        root.link("bin/sh", "bash").link("usr/bin/awk", "mawk");
        root.file("etc/passwd", 0644, "root:x:0:0:root:/root:/bin/bash\n")
                .file("etc/group", 0644, "root:x:0:\n")
                .file("etc/hostname", 0644, "nestor\n");
        root.file("init", 0755, script("userland-init")).file("run-checks", 0755, script("run-checks"));
        return root;
    }

    private static String script(String name) throws IOException {
        try (var in = Userland.class.getResourceAsStream(name)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
