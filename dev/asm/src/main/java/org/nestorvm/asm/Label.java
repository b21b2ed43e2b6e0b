package org.nestorvm.asm;

/**
 * A place in the program. Made by {@link Asm#label}, bound once; as an operand it stands for its address, or for a
 * jump's target.
 */
public final class Label implements Operand {
    private final Label base;
    private final long plus;
    private long address;
    private boolean bound, placed;

    Label() {
        this(null, 0);
    }

    private Label(Label base, long plus) {
        this.base = base;
        this.plus = plus;
    }

    /** A place outside of the program. */
    public static Label of(long address) {
        Label label = new Label();
        label.bind();
        label.place(address);
        return label;
    }

    /** The place {@code bytes} further on. */
    public Label plus(long bytes) {
        return new Label(base == null ? this : base, plus + bytes);
    }

    /** @throws IllegalStateException before {@link Asm#assemble}, or when it was never bound */
    public long address() {
        if (base != null) return base.address() + plus;
        if (!placed) throw new IllegalStateException(bound ? "label used before assemble()" : "label was never bound");
        return address;
    }

    /** The address as far as known in this pass; {@code otherwise} in the first pass, for a label further on. */
    long addressOr(long otherwise) {
        Label root = base == null ? this : base;
        if (!root.bound) throw new IllegalStateException("label was never bound");
        return root.placed ? root.address + plus : otherwise;
    }

    void bind() {
        if (bound || base != null) throw new IllegalStateException("label is bound already");
        bound = true;
    }

    /** @return true when the place has changed since the last pass */
    boolean place(long at) {
        boolean changed = !placed || address != at;
        address = at;
        placed = true;
        return changed;
    }

    @Override
    public String toString() {
        return base != null ? base + "+" + plus : placed ? "0x" + Long.toHexString(address) : "label";
    }
}
