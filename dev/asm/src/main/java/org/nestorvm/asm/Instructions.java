package org.nestorvm.asm;

/**
 * A method for each instruction. Generated from {@code forms.txt} by InstructionsSource; do not edit.
 * A number is an immediate, or a jump's absolute target.
 */
public abstract sealed class Instructions permits Asm {
    Instructions() {
    }

    public abstract Asm op(String name, Operand... operands);

    public Asm aaa() {
        return op("aaa");
    }

    public Asm aad(long a) {
        return op("aad", new Imm(a));
    }

    public Asm aam(long a) {
        return op("aam", new Imm(a));
    }

    public Asm aas() {
        return op("aas");
    }

    public Asm adc(Operand a, Operand b) {
        return op("adc", a, b);
    }

    public Asm adc(Operand a, long b) {
        return op("adc", a, new Imm(b));
    }

    public Asm add(Operand a, Operand b) {
        return op("add", a, b);
    }

    public Asm add(Operand a, long b) {
        return op("add", a, new Imm(b));
    }

    public Asm addpd(Operand a, Operand b) {
        return op("addpd", a, b);
    }

    public Asm addps(Operand a, Operand b) {
        return op("addps", a, b);
    }

    public Asm addsd(Operand a, Operand b) {
        return op("addsd", a, b);
    }

    public Asm addss(Operand a, Operand b) {
        return op("addss", a, b);
    }

    public Asm addsubpd(Operand a, Operand b) {
        return op("addsubpd", a, b);
    }

    public Asm addsubps(Operand a, Operand b) {
        return op("addsubps", a, b);
    }

    public Asm aesdec(Operand a, Operand b) {
        return op("aesdec", a, b);
    }

    public Asm aesdeclast(Operand a, Operand b) {
        return op("aesdeclast", a, b);
    }

    public Asm aesenc(Operand a, Operand b) {
        return op("aesenc", a, b);
    }

    public Asm aesenclast(Operand a, Operand b) {
        return op("aesenclast", a, b);
    }

    public Asm aesimc(Operand a, Operand b) {
        return op("aesimc", a, b);
    }

    public Asm aeskeygenassist(Operand a, Operand b, long c) {
        return op("aeskeygenassist", a, b, new Imm(c));
    }

    public Asm and(Operand a, Operand b) {
        return op("and", a, b);
    }

    public Asm and(Operand a, long b) {
        return op("and", a, new Imm(b));
    }

    public Asm andnpd(Operand a, Operand b) {
        return op("andnpd", a, b);
    }

    public Asm andnps(Operand a, Operand b) {
        return op("andnps", a, b);
    }

    public Asm andpd(Operand a, Operand b) {
        return op("andpd", a, b);
    }

    public Asm andps(Operand a, Operand b) {
        return op("andps", a, b);
    }

    public Asm arpl(Operand a, Operand b) {
        return op("arpl", a, b);
    }

    public Asm blendpd(Operand a, Operand b, long c) {
        return op("blendpd", a, b, new Imm(c));
    }

    public Asm blendps(Operand a, Operand b, long c) {
        return op("blendps", a, b, new Imm(c));
    }

    public Asm blendvpd(Operand a, Operand b) {
        return op("blendvpd", a, b);
    }

    public Asm blendvps(Operand a, Operand b) {
        return op("blendvps", a, b);
    }

    public Asm bound(Operand a, Operand b) {
        return op("bound", a, b);
    }

    public Asm bsf(Operand a, Operand b) {
        return op("bsf", a, b);
    }

    public Asm bsr(Operand a, Operand b) {
        return op("bsr", a, b);
    }

    public Asm bswap(Operand a) {
        return op("bswap", a);
    }

    public Asm bt(Operand a, Operand b) {
        return op("bt", a, b);
    }

    public Asm bt(Operand a, long b) {
        return op("bt", a, new Imm(b));
    }

    public Asm btc(Operand a, Operand b) {
        return op("btc", a, b);
    }

    public Asm btc(Operand a, long b) {
        return op("btc", a, new Imm(b));
    }

    public Asm btr(Operand a, Operand b) {
        return op("btr", a, b);
    }

    public Asm btr(Operand a, long b) {
        return op("btr", a, new Imm(b));
    }

    public Asm bts(Operand a, Operand b) {
        return op("bts", a, b);
    }

    public Asm bts(Operand a, long b) {
        return op("bts", a, new Imm(b));
    }

    public Asm call(long a) {
        return op("call", new Imm(a));
    }

    public Asm call(Operand a) {
        return op("call", a);
    }

    public Asm cbw() {
        return op("cbw");
    }

    public Asm cdq() {
        return op("cdq");
    }

    public Asm cdqe() {
        return op("cdqe");
    }

    public Asm clac() {
        return op("clac");
    }

    public Asm clc() {
        return op("clc");
    }

    public Asm cld() {
        return op("cld");
    }

    public Asm clflush(Operand a) {
        return op("clflush", a);
    }

    public Asm cli() {
        return op("cli");
    }

    public Asm clts() {
        return op("clts");
    }

    public Asm cmc() {
        return op("cmc");
    }

    public Asm cmova(Operand a, Operand b) {
        return op("cmova", a, b);
    }

    public Asm cmovae(Operand a, Operand b) {
        return op("cmovae", a, b);
    }

    public Asm cmovb(Operand a, Operand b) {
        return op("cmovb", a, b);
    }

    public Asm cmovbe(Operand a, Operand b) {
        return op("cmovbe", a, b);
    }

    public Asm cmovc(Operand a, Operand b) {
        return op("cmovc", a, b);
    }

    public Asm cmove(Operand a, Operand b) {
        return op("cmove", a, b);
    }

    public Asm cmovg(Operand a, Operand b) {
        return op("cmovg", a, b);
    }

    public Asm cmovge(Operand a, Operand b) {
        return op("cmovge", a, b);
    }

    public Asm cmovl(Operand a, Operand b) {
        return op("cmovl", a, b);
    }

    public Asm cmovle(Operand a, Operand b) {
        return op("cmovle", a, b);
    }

    public Asm cmovnc(Operand a, Operand b) {
        return op("cmovnc", a, b);
    }

    public Asm cmovne(Operand a, Operand b) {
        return op("cmovne", a, b);
    }

    public Asm cmovno(Operand a, Operand b) {
        return op("cmovno", a, b);
    }

    public Asm cmovnp(Operand a, Operand b) {
        return op("cmovnp", a, b);
    }

    public Asm cmovns(Operand a, Operand b) {
        return op("cmovns", a, b);
    }

    public Asm cmovnz(Operand a, Operand b) {
        return op("cmovnz", a, b);
    }

    public Asm cmovo(Operand a, Operand b) {
        return op("cmovo", a, b);
    }

    public Asm cmovp(Operand a, Operand b) {
        return op("cmovp", a, b);
    }

    public Asm cmovpe(Operand a, Operand b) {
        return op("cmovpe", a, b);
    }

    public Asm cmovpo(Operand a, Operand b) {
        return op("cmovpo", a, b);
    }

    public Asm cmovs(Operand a, Operand b) {
        return op("cmovs", a, b);
    }

    public Asm cmovz(Operand a, Operand b) {
        return op("cmovz", a, b);
    }

    public Asm cmp(Operand a, Operand b) {
        return op("cmp", a, b);
    }

    public Asm cmp(Operand a, long b) {
        return op("cmp", a, new Imm(b));
    }

    public Asm cmppd(Operand a, Operand b, long c) {
        return op("cmppd", a, b, new Imm(c));
    }

    public Asm cmpps(Operand a, Operand b, long c) {
        return op("cmpps", a, b, new Imm(c));
    }

    public Asm cmpsb() {
        return op("cmpsb");
    }

    public Asm cmpsd() {
        return op("cmpsd");
    }

    public Asm cmpsd(Operand a, Operand b, long c) {
        return op("cmpsd", a, b, new Imm(c));
    }

    public Asm cmpsq() {
        return op("cmpsq");
    }

    public Asm cmpss(Operand a, Operand b, long c) {
        return op("cmpss", a, b, new Imm(c));
    }

    public Asm cmpsw() {
        return op("cmpsw");
    }

    public Asm cmpxchg(Operand a, Operand b) {
        return op("cmpxchg", a, b);
    }

    public Asm cmpxchg16b(Operand a) {
        return op("cmpxchg16b", a);
    }

    public Asm cmpxchg8b(Operand a) {
        return op("cmpxchg8b", a);
    }

    public Asm comisd(Operand a, Operand b) {
        return op("comisd", a, b);
    }

    public Asm comiss(Operand a, Operand b) {
        return op("comiss", a, b);
    }

    public Asm cpuid() {
        return op("cpuid");
    }

    public Asm cqo() {
        return op("cqo");
    }

    public Asm crc32(Operand a, Operand b) {
        return op("crc32", a, b);
    }

    public Asm cvtdq2pd(Operand a, Operand b) {
        return op("cvtdq2pd", a, b);
    }

    public Asm cvtdq2ps(Operand a, Operand b) {
        return op("cvtdq2ps", a, b);
    }

    public Asm cvtpd2dq(Operand a, Operand b) {
        return op("cvtpd2dq", a, b);
    }

    public Asm cvtpd2pi(Operand a, Operand b) {
        return op("cvtpd2pi", a, b);
    }

    public Asm cvtpd2ps(Operand a, Operand b) {
        return op("cvtpd2ps", a, b);
    }

    public Asm cvtpi2pd(Operand a, Operand b) {
        return op("cvtpi2pd", a, b);
    }

    public Asm cvtpi2ps(Operand a, Operand b) {
        return op("cvtpi2ps", a, b);
    }

    public Asm cvtps2dq(Operand a, Operand b) {
        return op("cvtps2dq", a, b);
    }

    public Asm cvtps2pd(Operand a, Operand b) {
        return op("cvtps2pd", a, b);
    }

    public Asm cvtps2pi(Operand a, Operand b) {
        return op("cvtps2pi", a, b);
    }

    public Asm cvtsd2si(Operand a, Operand b) {
        return op("cvtsd2si", a, b);
    }

    public Asm cvtsd2ss(Operand a, Operand b) {
        return op("cvtsd2ss", a, b);
    }

    public Asm cvtsi2sd(Operand a, Operand b) {
        return op("cvtsi2sd", a, b);
    }

    public Asm cvtsi2ss(Operand a, Operand b) {
        return op("cvtsi2ss", a, b);
    }

    public Asm cvtss2sd(Operand a, Operand b) {
        return op("cvtss2sd", a, b);
    }

    public Asm cvtss2si(Operand a, Operand b) {
        return op("cvtss2si", a, b);
    }

    public Asm cvttpd2dq(Operand a, Operand b) {
        return op("cvttpd2dq", a, b);
    }

    public Asm cvttpd2pi(Operand a, Operand b) {
        return op("cvttpd2pi", a, b);
    }

    public Asm cvttps2dq(Operand a, Operand b) {
        return op("cvttps2dq", a, b);
    }

    public Asm cvttps2pi(Operand a, Operand b) {
        return op("cvttps2pi", a, b);
    }

    public Asm cvttsd2si(Operand a, Operand b) {
        return op("cvttsd2si", a, b);
    }

    public Asm cvttss2si(Operand a, Operand b) {
        return op("cvttss2si", a, b);
    }

    public Asm cwd() {
        return op("cwd");
    }

    public Asm cwde() {
        return op("cwde");
    }

    public Asm daa() {
        return op("daa");
    }

    public Asm das() {
        return op("das");
    }

    public Asm dec(Operand a) {
        return op("dec", a);
    }

    public Asm div(Operand a) {
        return op("div", a);
    }

    public Asm divpd(Operand a, Operand b) {
        return op("divpd", a, b);
    }

    public Asm divps(Operand a, Operand b) {
        return op("divps", a, b);
    }

    public Asm divsd(Operand a, Operand b) {
        return op("divsd", a, b);
    }

    public Asm divss(Operand a, Operand b) {
        return op("divss", a, b);
    }

    public Asm dppd(Operand a, Operand b, long c) {
        return op("dppd", a, b, new Imm(c));
    }

    public Asm dpps(Operand a, Operand b, long c) {
        return op("dpps", a, b, new Imm(c));
    }

    public Asm emms() {
        return op("emms");
    }

    public Asm enter(long a, long b) {
        return op("enter", new Imm(a), new Imm(b));
    }

    public Asm extractps(Operand a, Operand b, long c) {
        return op("extractps", a, b, new Imm(c));
    }

    public Asm f2xm1() {
        return op("f2xm1");
    }

    public Asm fabs() {
        return op("fabs");
    }

    public Asm fadd(Operand a) {
        return op("fadd", a);
    }

    public Asm fadd(Operand a, Operand b) {
        return op("fadd", a, b);
    }

    public Asm faddp(Operand a, Operand b) {
        return op("faddp", a, b);
    }

    public Asm fbld(Operand a) {
        return op("fbld", a);
    }

    public Asm fbstp(Operand a) {
        return op("fbstp", a);
    }

    public Asm fchs() {
        return op("fchs");
    }

    public Asm fcmovb(Operand a, Operand b) {
        return op("fcmovb", a, b);
    }

    public Asm fcmovbe(Operand a, Operand b) {
        return op("fcmovbe", a, b);
    }

    public Asm fcmove(Operand a, Operand b) {
        return op("fcmove", a, b);
    }

    public Asm fcmovnb(Operand a, Operand b) {
        return op("fcmovnb", a, b);
    }

    public Asm fcmovnbe(Operand a, Operand b) {
        return op("fcmovnbe", a, b);
    }

    public Asm fcmovne(Operand a, Operand b) {
        return op("fcmovne", a, b);
    }

    public Asm fcmovnu(Operand a, Operand b) {
        return op("fcmovnu", a, b);
    }

    public Asm fcmovu(Operand a, Operand b) {
        return op("fcmovu", a, b);
    }

    public Asm fcom(Operand a) {
        return op("fcom", a);
    }

    public Asm fcomi(Operand a, Operand b) {
        return op("fcomi", a, b);
    }

    public Asm fcomip(Operand a, Operand b) {
        return op("fcomip", a, b);
    }

    public Asm fcomp(Operand a) {
        return op("fcomp", a);
    }

    public Asm fcompp() {
        return op("fcompp");
    }

    public Asm fcos() {
        return op("fcos");
    }

    public Asm fdecstp() {
        return op("fdecstp");
    }

    public Asm fdiv(Operand a) {
        return op("fdiv", a);
    }

    public Asm fdiv(Operand a, Operand b) {
        return op("fdiv", a, b);
    }

    public Asm fdivp(Operand a, Operand b) {
        return op("fdivp", a, b);
    }

    public Asm fdivr(Operand a) {
        return op("fdivr", a);
    }

    public Asm fdivr(Operand a, Operand b) {
        return op("fdivr", a, b);
    }

    public Asm fdivrp(Operand a, Operand b) {
        return op("fdivrp", a, b);
    }

    public Asm ffree(Operand a) {
        return op("ffree", a);
    }

    public Asm fiadd(Operand a) {
        return op("fiadd", a);
    }

    public Asm ficom(Operand a) {
        return op("ficom", a);
    }

    public Asm ficomp(Operand a) {
        return op("ficomp", a);
    }

    public Asm fidiv(Operand a) {
        return op("fidiv", a);
    }

    public Asm fidivr(Operand a) {
        return op("fidivr", a);
    }

    public Asm fild(Operand a) {
        return op("fild", a);
    }

    public Asm fimul(Operand a) {
        return op("fimul", a);
    }

    public Asm fincstp() {
        return op("fincstp");
    }

    public Asm fist(Operand a) {
        return op("fist", a);
    }

    public Asm fistp(Operand a) {
        return op("fistp", a);
    }

    public Asm fisttp(Operand a) {
        return op("fisttp", a);
    }

    public Asm fisub(Operand a) {
        return op("fisub", a);
    }

    public Asm fisubr(Operand a) {
        return op("fisubr", a);
    }

    public Asm fld(Operand a) {
        return op("fld", a);
    }

    public Asm fld1() {
        return op("fld1");
    }

    public Asm fldcw(Operand a) {
        return op("fldcw", a);
    }

    public Asm fldenv(Operand a) {
        return op("fldenv", a);
    }

    public Asm fldl2e() {
        return op("fldl2e");
    }

    public Asm fldl2t() {
        return op("fldl2t");
    }

    public Asm fldlg2() {
        return op("fldlg2");
    }

    public Asm fldln2() {
        return op("fldln2");
    }

    public Asm fldpi() {
        return op("fldpi");
    }

    public Asm fldz() {
        return op("fldz");
    }

    public Asm fmul(Operand a) {
        return op("fmul", a);
    }

    public Asm fmul(Operand a, Operand b) {
        return op("fmul", a, b);
    }

    public Asm fmulp(Operand a, Operand b) {
        return op("fmulp", a, b);
    }

    public Asm fnclex() {
        return op("fnclex");
    }

    public Asm fninit() {
        return op("fninit");
    }

    public Asm fnop() {
        return op("fnop");
    }

    public Asm fnsave(Operand a) {
        return op("fnsave", a);
    }

    public Asm fnstcw(Operand a) {
        return op("fnstcw", a);
    }

    public Asm fnstenv(Operand a) {
        return op("fnstenv", a);
    }

    public Asm fnstsw(Operand a) {
        return op("fnstsw", a);
    }

    public Asm fpatan() {
        return op("fpatan");
    }

    public Asm fprem() {
        return op("fprem");
    }

    public Asm fprem1() {
        return op("fprem1");
    }

    public Asm fptan() {
        return op("fptan");
    }

    public Asm frndint() {
        return op("frndint");
    }

    public Asm frstor(Operand a) {
        return op("frstor", a);
    }

    public Asm fscale() {
        return op("fscale");
    }

    public Asm fsin() {
        return op("fsin");
    }

    public Asm fsincos() {
        return op("fsincos");
    }

    public Asm fsqrt() {
        return op("fsqrt");
    }

    public Asm fst(Operand a) {
        return op("fst", a);
    }

    public Asm fstp(Operand a) {
        return op("fstp", a);
    }

    public Asm fsub(Operand a) {
        return op("fsub", a);
    }

    public Asm fsub(Operand a, Operand b) {
        return op("fsub", a, b);
    }

    public Asm fsubp(Operand a, Operand b) {
        return op("fsubp", a, b);
    }

    public Asm fsubr(Operand a) {
        return op("fsubr", a);
    }

    public Asm fsubr(Operand a, Operand b) {
        return op("fsubr", a, b);
    }

    public Asm fsubrp(Operand a, Operand b) {
        return op("fsubrp", a, b);
    }

    public Asm ftst() {
        return op("ftst");
    }

    public Asm fucom(Operand a) {
        return op("fucom", a);
    }

    public Asm fucomi(Operand a, Operand b) {
        return op("fucomi", a, b);
    }

    public Asm fucomip(Operand a, Operand b) {
        return op("fucomip", a, b);
    }

    public Asm fucomp(Operand a) {
        return op("fucomp", a);
    }

    public Asm fucompp() {
        return op("fucompp");
    }

    public Asm fwait() {
        return op("fwait");
    }

    public Asm fxam() {
        return op("fxam");
    }

    public Asm fxch(Operand a) {
        return op("fxch", a);
    }

    public Asm fxrstor(Operand a) {
        return op("fxrstor", a);
    }

    public Asm fxrstor64(Operand a) {
        return op("fxrstor64", a);
    }

    public Asm fxsave(Operand a) {
        return op("fxsave", a);
    }

    public Asm fxsave64(Operand a) {
        return op("fxsave64", a);
    }

    public Asm fxtract() {
        return op("fxtract");
    }

    public Asm fyl2x() {
        return op("fyl2x");
    }

    public Asm fyl2xp1() {
        return op("fyl2xp1");
    }

    public Asm haddpd(Operand a, Operand b) {
        return op("haddpd", a, b);
    }

    public Asm haddps(Operand a, Operand b) {
        return op("haddps", a, b);
    }

    public Asm hlt() {
        return op("hlt");
    }

    public Asm hsubpd(Operand a, Operand b) {
        return op("hsubpd", a, b);
    }

    public Asm hsubps(Operand a, Operand b) {
        return op("hsubps", a, b);
    }

    public Asm idiv(Operand a) {
        return op("idiv", a);
    }

    public Asm imul(Operand a) {
        return op("imul", a);
    }

    public Asm imul(Operand a, Operand b) {
        return op("imul", a, b);
    }

    public Asm imul(Operand a, Operand b, long c) {
        return op("imul", a, b, new Imm(c));
    }

    public Asm imul(Operand a, Operand b, Operand c) {
        return op("imul", a, b, c);
    }

    public Asm in(Operand a, long b) {
        return op("in", a, new Imm(b));
    }

    public Asm in(Operand a, Operand b) {
        return op("in", a, b);
    }

    public Asm inc(Operand a) {
        return op("inc", a);
    }

    public Asm insb() {
        return op("insb");
    }

    public Asm insd() {
        return op("insd");
    }

    public Asm insertps(Operand a, Operand b, long c) {
        return op("insertps", a, b, new Imm(c));
    }

    public Asm insw() {
        return op("insw");
    }

    public Asm int1() {
        return op("int1");
    }

    public Asm int3() {
        return op("int3");
    }

    public Asm interrupt(long a) {
        return op("interrupt", new Imm(a));
    }

    public Asm into() {
        return op("into");
    }

    public Asm invd() {
        return op("invd");
    }

    public Asm invlpg(Operand a) {
        return op("invlpg", a);
    }

    public Asm invpcid(Operand a, Operand b) {
        return op("invpcid", a, b);
    }

    public Asm iretd() {
        return op("iretd");
    }

    public Asm iretq() {
        return op("iretq");
    }

    public Asm iretw() {
        return op("iretw");
    }

    public Asm ja(long a) {
        return op("ja", new Imm(a));
    }

    public Asm ja(Operand a) {
        return op("ja", a);
    }

    public Asm jae(long a) {
        return op("jae", new Imm(a));
    }

    public Asm jae(Operand a) {
        return op("jae", a);
    }

    public Asm jb(long a) {
        return op("jb", new Imm(a));
    }

    public Asm jb(Operand a) {
        return op("jb", a);
    }

    public Asm jbe(long a) {
        return op("jbe", new Imm(a));
    }

    public Asm jbe(Operand a) {
        return op("jbe", a);
    }

    public Asm jc(long a) {
        return op("jc", new Imm(a));
    }

    public Asm jc(Operand a) {
        return op("jc", a);
    }

    public Asm jcxz(long a) {
        return op("jcxz", new Imm(a));
    }

    public Asm jcxz(Operand a) {
        return op("jcxz", a);
    }

    public Asm je(long a) {
        return op("je", new Imm(a));
    }

    public Asm je(Operand a) {
        return op("je", a);
    }

    public Asm jecxz(long a) {
        return op("jecxz", new Imm(a));
    }

    public Asm jecxz(Operand a) {
        return op("jecxz", a);
    }

    public Asm jg(long a) {
        return op("jg", new Imm(a));
    }

    public Asm jg(Operand a) {
        return op("jg", a);
    }

    public Asm jge(long a) {
        return op("jge", new Imm(a));
    }

    public Asm jge(Operand a) {
        return op("jge", a);
    }

    public Asm jl(long a) {
        return op("jl", new Imm(a));
    }

    public Asm jl(Operand a) {
        return op("jl", a);
    }

    public Asm jle(long a) {
        return op("jle", new Imm(a));
    }

    public Asm jle(Operand a) {
        return op("jle", a);
    }

    public Asm jmp(long a) {
        return op("jmp", new Imm(a));
    }

    public Asm jmp(Operand a) {
        return op("jmp", a);
    }

    public Asm jnc(long a) {
        return op("jnc", new Imm(a));
    }

    public Asm jnc(Operand a) {
        return op("jnc", a);
    }

    public Asm jne(long a) {
        return op("jne", new Imm(a));
    }

    public Asm jne(Operand a) {
        return op("jne", a);
    }

    public Asm jno(long a) {
        return op("jno", new Imm(a));
    }

    public Asm jno(Operand a) {
        return op("jno", a);
    }

    public Asm jnp(long a) {
        return op("jnp", new Imm(a));
    }

    public Asm jnp(Operand a) {
        return op("jnp", a);
    }

    public Asm jns(long a) {
        return op("jns", new Imm(a));
    }

    public Asm jns(Operand a) {
        return op("jns", a);
    }

    public Asm jnz(long a) {
        return op("jnz", new Imm(a));
    }

    public Asm jnz(Operand a) {
        return op("jnz", a);
    }

    public Asm jo(long a) {
        return op("jo", new Imm(a));
    }

    public Asm jo(Operand a) {
        return op("jo", a);
    }

    public Asm jp(long a) {
        return op("jp", new Imm(a));
    }

    public Asm jp(Operand a) {
        return op("jp", a);
    }

    public Asm jpe(long a) {
        return op("jpe", new Imm(a));
    }

    public Asm jpe(Operand a) {
        return op("jpe", a);
    }

    public Asm jpo(long a) {
        return op("jpo", new Imm(a));
    }

    public Asm jpo(Operand a) {
        return op("jpo", a);
    }

    public Asm jrcxz(long a) {
        return op("jrcxz", new Imm(a));
    }

    public Asm jrcxz(Operand a) {
        return op("jrcxz", a);
    }

    public Asm js(long a) {
        return op("js", new Imm(a));
    }

    public Asm js(Operand a) {
        return op("js", a);
    }

    public Asm jz(long a) {
        return op("jz", new Imm(a));
    }

    public Asm jz(Operand a) {
        return op("jz", a);
    }

    public Asm lahf() {
        return op("lahf");
    }

    public Asm lar(Operand a, Operand b) {
        return op("lar", a, b);
    }

    public Asm lcalld(long a, long b) {
        return op("lcalld", new Imm(a), new Imm(b));
    }

    public Asm lcalld(long a, Operand b) {
        return op("lcalld", new Imm(a), b);
    }

    public Asm lcalld(Operand a) {
        return op("lcalld", a);
    }

    public Asm lcallq(Operand a) {
        return op("lcallq", a);
    }

    public Asm lcallw(long a, long b) {
        return op("lcallw", new Imm(a), new Imm(b));
    }

    public Asm lcallw(long a, Operand b) {
        return op("lcallw", new Imm(a), b);
    }

    public Asm lcallw(Operand a) {
        return op("lcallw", a);
    }

    public Asm lddqu(Operand a, Operand b) {
        return op("lddqu", a, b);
    }

    public Asm ldmxcsr(Operand a) {
        return op("ldmxcsr", a);
    }

    public Asm lds(Operand a, Operand b) {
        return op("lds", a, b);
    }

    public Asm lea(Operand a, Operand b) {
        return op("lea", a, b);
    }

    public Asm leave() {
        return op("leave");
    }

    public Asm les(Operand a, Operand b) {
        return op("les", a, b);
    }

    public Asm lfence() {
        return op("lfence");
    }

    public Asm lfs(Operand a, Operand b) {
        return op("lfs", a, b);
    }

    public Asm lgdt(Operand a) {
        return op("lgdt", a);
    }

    public Asm lgdtd(Operand a) {
        return op("lgdtd", a);
    }

    public Asm lgs(Operand a, Operand b) {
        return op("lgs", a, b);
    }

    public Asm lidt(Operand a) {
        return op("lidt", a);
    }

    public Asm lidtd(Operand a) {
        return op("lidtd", a);
    }

    public Asm ljmpd(long a, long b) {
        return op("ljmpd", new Imm(a), new Imm(b));
    }

    public Asm ljmpd(long a, Operand b) {
        return op("ljmpd", new Imm(a), b);
    }

    public Asm ljmpd(Operand a) {
        return op("ljmpd", a);
    }

    public Asm ljmpq(Operand a) {
        return op("ljmpq", a);
    }

    public Asm ljmpw(long a, long b) {
        return op("ljmpw", new Imm(a), new Imm(b));
    }

    public Asm ljmpw(long a, Operand b) {
        return op("ljmpw", new Imm(a), b);
    }

    public Asm ljmpw(Operand a) {
        return op("ljmpw", a);
    }

    public Asm lldt(Operand a) {
        return op("lldt", a);
    }

    public Asm lmsw(Operand a) {
        return op("lmsw", a);
    }

    public Asm lodsb() {
        return op("lodsb");
    }

    public Asm lodsd() {
        return op("lodsd");
    }

    public Asm lodsq() {
        return op("lodsq");
    }

    public Asm lodsw() {
        return op("lodsw");
    }

    public Asm loop(long a) {
        return op("loop", new Imm(a));
    }

    public Asm loop(Operand a) {
        return op("loop", a);
    }

    public Asm loope(long a) {
        return op("loope", new Imm(a));
    }

    public Asm loope(Operand a) {
        return op("loope", a);
    }

    public Asm loopne(long a) {
        return op("loopne", new Imm(a));
    }

    public Asm loopne(Operand a) {
        return op("loopne", a);
    }

    public Asm loopnz(long a) {
        return op("loopnz", new Imm(a));
    }

    public Asm loopnz(Operand a) {
        return op("loopnz", a);
    }

    public Asm loopz(long a) {
        return op("loopz", new Imm(a));
    }

    public Asm loopz(Operand a) {
        return op("loopz", a);
    }

    public Asm lsl(Operand a, Operand b) {
        return op("lsl", a, b);
    }

    public Asm lss(Operand a, Operand b) {
        return op("lss", a, b);
    }

    public Asm ltr(Operand a) {
        return op("ltr", a);
    }

    public Asm lzcnt(Operand a, Operand b) {
        return op("lzcnt", a, b);
    }

    public Asm maskmovdqu(Operand a, Operand b) {
        return op("maskmovdqu", a, b);
    }

    public Asm maskmovq(Operand a, Operand b) {
        return op("maskmovq", a, b);
    }

    public Asm maxpd(Operand a, Operand b) {
        return op("maxpd", a, b);
    }

    public Asm maxps(Operand a, Operand b) {
        return op("maxps", a, b);
    }

    public Asm maxsd(Operand a, Operand b) {
        return op("maxsd", a, b);
    }

    public Asm maxss(Operand a, Operand b) {
        return op("maxss", a, b);
    }

    public Asm mfence() {
        return op("mfence");
    }

    public Asm minpd(Operand a, Operand b) {
        return op("minpd", a, b);
    }

    public Asm minps(Operand a, Operand b) {
        return op("minps", a, b);
    }

    public Asm minsd(Operand a, Operand b) {
        return op("minsd", a, b);
    }

    public Asm minss(Operand a, Operand b) {
        return op("minss", a, b);
    }

    public Asm monitor() {
        return op("monitor");
    }

    public Asm mov(Operand a, Operand b) {
        return op("mov", a, b);
    }

    public Asm mov(Operand a, long b) {
        return op("mov", a, new Imm(b));
    }

    public Asm movabs(Operand a, long b) {
        return op("movabs", a, new Imm(b));
    }

    public Asm movabs(Operand a, Operand b) {
        return op("movabs", a, b);
    }

    public Asm movapd(Operand a, Operand b) {
        return op("movapd", a, b);
    }

    public Asm movaps(Operand a, Operand b) {
        return op("movaps", a, b);
    }

    public Asm movbe(Operand a, Operand b) {
        return op("movbe", a, b);
    }

    public Asm movd(Operand a, Operand b) {
        return op("movd", a, b);
    }

    public Asm movddup(Operand a, Operand b) {
        return op("movddup", a, b);
    }

    public Asm movdq2q(Operand a, Operand b) {
        return op("movdq2q", a, b);
    }

    public Asm movdqa(Operand a, Operand b) {
        return op("movdqa", a, b);
    }

    public Asm movdqu(Operand a, Operand b) {
        return op("movdqu", a, b);
    }

    public Asm movhlps(Operand a, Operand b) {
        return op("movhlps", a, b);
    }

    public Asm movhpd(Operand a, Operand b) {
        return op("movhpd", a, b);
    }

    public Asm movhps(Operand a, Operand b) {
        return op("movhps", a, b);
    }

    public Asm movlhps(Operand a, Operand b) {
        return op("movlhps", a, b);
    }

    public Asm movlpd(Operand a, Operand b) {
        return op("movlpd", a, b);
    }

    public Asm movlps(Operand a, Operand b) {
        return op("movlps", a, b);
    }

    public Asm movmskpd(Operand a, Operand b) {
        return op("movmskpd", a, b);
    }

    public Asm movmskps(Operand a, Operand b) {
        return op("movmskps", a, b);
    }

    public Asm movntdq(Operand a, Operand b) {
        return op("movntdq", a, b);
    }

    public Asm movntdqa(Operand a, Operand b) {
        return op("movntdqa", a, b);
    }

    public Asm movnti(Operand a, Operand b) {
        return op("movnti", a, b);
    }

    public Asm movntpd(Operand a, Operand b) {
        return op("movntpd", a, b);
    }

    public Asm movntps(Operand a, Operand b) {
        return op("movntps", a, b);
    }

    public Asm movntq(Operand a, Operand b) {
        return op("movntq", a, b);
    }

    public Asm movq(Operand a, Operand b) {
        return op("movq", a, b);
    }

    public Asm movq2dq(Operand a, Operand b) {
        return op("movq2dq", a, b);
    }

    public Asm movsb() {
        return op("movsb");
    }

    public Asm movsd() {
        return op("movsd");
    }

    public Asm movsd(Operand a, Operand b) {
        return op("movsd", a, b);
    }

    public Asm movshdup(Operand a, Operand b) {
        return op("movshdup", a, b);
    }

    public Asm movsldup(Operand a, Operand b) {
        return op("movsldup", a, b);
    }

    public Asm movsq() {
        return op("movsq");
    }

    public Asm movss(Operand a, Operand b) {
        return op("movss", a, b);
    }

    public Asm movsw() {
        return op("movsw");
    }

    public Asm movsx(Operand a, Operand b) {
        return op("movsx", a, b);
    }

    public Asm movsxd(Operand a, Operand b) {
        return op("movsxd", a, b);
    }

    public Asm movupd(Operand a, Operand b) {
        return op("movupd", a, b);
    }

    public Asm movups(Operand a, Operand b) {
        return op("movups", a, b);
    }

    public Asm movzx(Operand a, Operand b) {
        return op("movzx", a, b);
    }

    public Asm mpsadbw(Operand a, Operand b, long c) {
        return op("mpsadbw", a, b, new Imm(c));
    }

    public Asm mul(Operand a) {
        return op("mul", a);
    }

    public Asm mulpd(Operand a, Operand b) {
        return op("mulpd", a, b);
    }

    public Asm mulps(Operand a, Operand b) {
        return op("mulps", a, b);
    }

    public Asm mulsd(Operand a, Operand b) {
        return op("mulsd", a, b);
    }

    public Asm mulss(Operand a, Operand b) {
        return op("mulss", a, b);
    }

    public Asm mwait() {
        return op("mwait");
    }

    public Asm neg(Operand a) {
        return op("neg", a);
    }

    public Asm nop() {
        return op("nop");
    }

    public Asm nop(Operand a) {
        return op("nop", a);
    }

    public Asm not(Operand a) {
        return op("not", a);
    }

    public Asm or(Operand a, Operand b) {
        return op("or", a, b);
    }

    public Asm or(Operand a, long b) {
        return op("or", a, new Imm(b));
    }

    public Asm orpd(Operand a, Operand b) {
        return op("orpd", a, b);
    }

    public Asm orps(Operand a, Operand b) {
        return op("orps", a, b);
    }

    public Asm out(long a, Operand b) {
        return op("out", new Imm(a), b);
    }

    public Asm out(Operand a, Operand b) {
        return op("out", a, b);
    }

    public Asm outsb() {
        return op("outsb");
    }

    public Asm outsd() {
        return op("outsd");
    }

    public Asm outsw() {
        return op("outsw");
    }

    public Asm pabsb(Operand a, Operand b) {
        return op("pabsb", a, b);
    }

    public Asm pabsd(Operand a, Operand b) {
        return op("pabsd", a, b);
    }

    public Asm pabsw(Operand a, Operand b) {
        return op("pabsw", a, b);
    }

    public Asm packssdw(Operand a, Operand b) {
        return op("packssdw", a, b);
    }

    public Asm packsswb(Operand a, Operand b) {
        return op("packsswb", a, b);
    }

    public Asm packusdw(Operand a, Operand b) {
        return op("packusdw", a, b);
    }

    public Asm packuswb(Operand a, Operand b) {
        return op("packuswb", a, b);
    }

    public Asm paddb(Operand a, Operand b) {
        return op("paddb", a, b);
    }

    public Asm paddd(Operand a, Operand b) {
        return op("paddd", a, b);
    }

    public Asm paddq(Operand a, Operand b) {
        return op("paddq", a, b);
    }

    public Asm paddsb(Operand a, Operand b) {
        return op("paddsb", a, b);
    }

    public Asm paddsw(Operand a, Operand b) {
        return op("paddsw", a, b);
    }

    public Asm paddusb(Operand a, Operand b) {
        return op("paddusb", a, b);
    }

    public Asm paddusw(Operand a, Operand b) {
        return op("paddusw", a, b);
    }

    public Asm paddw(Operand a, Operand b) {
        return op("paddw", a, b);
    }

    public Asm palignr(Operand a, Operand b, long c) {
        return op("palignr", a, b, new Imm(c));
    }

    public Asm pand(Operand a, Operand b) {
        return op("pand", a, b);
    }

    public Asm pandn(Operand a, Operand b) {
        return op("pandn", a, b);
    }

    public Asm pause() {
        return op("pause");
    }

    public Asm pavgb(Operand a, Operand b) {
        return op("pavgb", a, b);
    }

    public Asm pavgw(Operand a, Operand b) {
        return op("pavgw", a, b);
    }

    public Asm pblendvb(Operand a, Operand b) {
        return op("pblendvb", a, b);
    }

    public Asm pblendw(Operand a, Operand b, long c) {
        return op("pblendw", a, b, new Imm(c));
    }

    public Asm pclmulqdq(Operand a, Operand b, long c) {
        return op("pclmulqdq", a, b, new Imm(c));
    }

    public Asm pcmpeqb(Operand a, Operand b) {
        return op("pcmpeqb", a, b);
    }

    public Asm pcmpeqd(Operand a, Operand b) {
        return op("pcmpeqd", a, b);
    }

    public Asm pcmpeqq(Operand a, Operand b) {
        return op("pcmpeqq", a, b);
    }

    public Asm pcmpeqw(Operand a, Operand b) {
        return op("pcmpeqw", a, b);
    }

    public Asm pcmpestri(Operand a, Operand b, long c) {
        return op("pcmpestri", a, b, new Imm(c));
    }

    public Asm pcmpestrm(Operand a, Operand b, long c) {
        return op("pcmpestrm", a, b, new Imm(c));
    }

    public Asm pcmpgtb(Operand a, Operand b) {
        return op("pcmpgtb", a, b);
    }

    public Asm pcmpgtd(Operand a, Operand b) {
        return op("pcmpgtd", a, b);
    }

    public Asm pcmpgtq(Operand a, Operand b) {
        return op("pcmpgtq", a, b);
    }

    public Asm pcmpgtw(Operand a, Operand b) {
        return op("pcmpgtw", a, b);
    }

    public Asm pcmpistri(Operand a, Operand b, long c) {
        return op("pcmpistri", a, b, new Imm(c));
    }

    public Asm pcmpistrm(Operand a, Operand b, long c) {
        return op("pcmpistrm", a, b, new Imm(c));
    }

    public Asm pextrb(Operand a, Operand b, long c) {
        return op("pextrb", a, b, new Imm(c));
    }

    public Asm pextrd(Operand a, Operand b, long c) {
        return op("pextrd", a, b, new Imm(c));
    }

    public Asm pextrq(Operand a, Operand b, long c) {
        return op("pextrq", a, b, new Imm(c));
    }

    public Asm pextrw(Operand a, Operand b, long c) {
        return op("pextrw", a, b, new Imm(c));
    }

    public Asm phaddd(Operand a, Operand b) {
        return op("phaddd", a, b);
    }

    public Asm phaddsw(Operand a, Operand b) {
        return op("phaddsw", a, b);
    }

    public Asm phaddw(Operand a, Operand b) {
        return op("phaddw", a, b);
    }

    public Asm phminposuw(Operand a, Operand b) {
        return op("phminposuw", a, b);
    }

    public Asm phsubd(Operand a, Operand b) {
        return op("phsubd", a, b);
    }

    public Asm phsubsw(Operand a, Operand b) {
        return op("phsubsw", a, b);
    }

    public Asm phsubw(Operand a, Operand b) {
        return op("phsubw", a, b);
    }

    public Asm pinsrb(Operand a, Operand b, long c) {
        return op("pinsrb", a, b, new Imm(c));
    }

    public Asm pinsrd(Operand a, Operand b, long c) {
        return op("pinsrd", a, b, new Imm(c));
    }

    public Asm pinsrq(Operand a, Operand b, long c) {
        return op("pinsrq", a, b, new Imm(c));
    }

    public Asm pinsrw(Operand a, Operand b, long c) {
        return op("pinsrw", a, b, new Imm(c));
    }

    public Asm pmaddubsw(Operand a, Operand b) {
        return op("pmaddubsw", a, b);
    }

    public Asm pmaddwd(Operand a, Operand b) {
        return op("pmaddwd", a, b);
    }

    public Asm pmaxsb(Operand a, Operand b) {
        return op("pmaxsb", a, b);
    }

    public Asm pmaxsd(Operand a, Operand b) {
        return op("pmaxsd", a, b);
    }

    public Asm pmaxsw(Operand a, Operand b) {
        return op("pmaxsw", a, b);
    }

    public Asm pmaxub(Operand a, Operand b) {
        return op("pmaxub", a, b);
    }

    public Asm pmaxud(Operand a, Operand b) {
        return op("pmaxud", a, b);
    }

    public Asm pmaxuw(Operand a, Operand b) {
        return op("pmaxuw", a, b);
    }

    public Asm pminsb(Operand a, Operand b) {
        return op("pminsb", a, b);
    }

    public Asm pminsd(Operand a, Operand b) {
        return op("pminsd", a, b);
    }

    public Asm pminsw(Operand a, Operand b) {
        return op("pminsw", a, b);
    }

    public Asm pminub(Operand a, Operand b) {
        return op("pminub", a, b);
    }

    public Asm pminud(Operand a, Operand b) {
        return op("pminud", a, b);
    }

    public Asm pminuw(Operand a, Operand b) {
        return op("pminuw", a, b);
    }

    public Asm pmovmskb(Operand a, Operand b) {
        return op("pmovmskb", a, b);
    }

    public Asm pmovsxbd(Operand a, Operand b) {
        return op("pmovsxbd", a, b);
    }

    public Asm pmovsxbq(Operand a, Operand b) {
        return op("pmovsxbq", a, b);
    }

    public Asm pmovsxbw(Operand a, Operand b) {
        return op("pmovsxbw", a, b);
    }

    public Asm pmovsxdq(Operand a, Operand b) {
        return op("pmovsxdq", a, b);
    }

    public Asm pmovsxwd(Operand a, Operand b) {
        return op("pmovsxwd", a, b);
    }

    public Asm pmovsxwq(Operand a, Operand b) {
        return op("pmovsxwq", a, b);
    }

    public Asm pmovzxbd(Operand a, Operand b) {
        return op("pmovzxbd", a, b);
    }

    public Asm pmovzxbq(Operand a, Operand b) {
        return op("pmovzxbq", a, b);
    }

    public Asm pmovzxbw(Operand a, Operand b) {
        return op("pmovzxbw", a, b);
    }

    public Asm pmovzxdq(Operand a, Operand b) {
        return op("pmovzxdq", a, b);
    }

    public Asm pmovzxwd(Operand a, Operand b) {
        return op("pmovzxwd", a, b);
    }

    public Asm pmovzxwq(Operand a, Operand b) {
        return op("pmovzxwq", a, b);
    }

    public Asm pmuldq(Operand a, Operand b) {
        return op("pmuldq", a, b);
    }

    public Asm pmulhrsw(Operand a, Operand b) {
        return op("pmulhrsw", a, b);
    }

    public Asm pmulhuw(Operand a, Operand b) {
        return op("pmulhuw", a, b);
    }

    public Asm pmulhw(Operand a, Operand b) {
        return op("pmulhw", a, b);
    }

    public Asm pmulld(Operand a, Operand b) {
        return op("pmulld", a, b);
    }

    public Asm pmullw(Operand a, Operand b) {
        return op("pmullw", a, b);
    }

    public Asm pmuludq(Operand a, Operand b) {
        return op("pmuludq", a, b);
    }

    public Asm pop(Operand a) {
        return op("pop", a);
    }

    public Asm popad() {
        return op("popad");
    }

    public Asm popaw() {
        return op("popaw");
    }

    public Asm popcnt(Operand a, Operand b) {
        return op("popcnt", a, b);
    }

    public Asm popfd() {
        return op("popfd");
    }

    public Asm popfq() {
        return op("popfq");
    }

    public Asm popfw() {
        return op("popfw");
    }

    public Asm por(Operand a, Operand b) {
        return op("por", a, b);
    }

    public Asm prefetchnta(Operand a) {
        return op("prefetchnta", a);
    }

    public Asm prefetcht0(Operand a) {
        return op("prefetcht0", a);
    }

    public Asm prefetcht1(Operand a) {
        return op("prefetcht1", a);
    }

    public Asm prefetcht2(Operand a) {
        return op("prefetcht2", a);
    }

    public Asm prefetchw(Operand a) {
        return op("prefetchw", a);
    }

    public Asm psadbw(Operand a, Operand b) {
        return op("psadbw", a, b);
    }

    public Asm pshufb(Operand a, Operand b) {
        return op("pshufb", a, b);
    }

    public Asm pshufd(Operand a, Operand b, long c) {
        return op("pshufd", a, b, new Imm(c));
    }

    public Asm pshufhw(Operand a, Operand b, long c) {
        return op("pshufhw", a, b, new Imm(c));
    }

    public Asm pshuflw(Operand a, Operand b, long c) {
        return op("pshuflw", a, b, new Imm(c));
    }

    public Asm pshufw(Operand a, Operand b, long c) {
        return op("pshufw", a, b, new Imm(c));
    }

    public Asm psignb(Operand a, Operand b) {
        return op("psignb", a, b);
    }

    public Asm psignd(Operand a, Operand b) {
        return op("psignd", a, b);
    }

    public Asm psignw(Operand a, Operand b) {
        return op("psignw", a, b);
    }

    public Asm pslld(Operand a, long b) {
        return op("pslld", a, new Imm(b));
    }

    public Asm pslld(Operand a, Operand b) {
        return op("pslld", a, b);
    }

    public Asm pslldq(Operand a, long b) {
        return op("pslldq", a, new Imm(b));
    }

    public Asm psllq(Operand a, long b) {
        return op("psllq", a, new Imm(b));
    }

    public Asm psllq(Operand a, Operand b) {
        return op("psllq", a, b);
    }

    public Asm psllw(Operand a, long b) {
        return op("psllw", a, new Imm(b));
    }

    public Asm psllw(Operand a, Operand b) {
        return op("psllw", a, b);
    }

    public Asm psrad(Operand a, long b) {
        return op("psrad", a, new Imm(b));
    }

    public Asm psrad(Operand a, Operand b) {
        return op("psrad", a, b);
    }

    public Asm psraw(Operand a, long b) {
        return op("psraw", a, new Imm(b));
    }

    public Asm psraw(Operand a, Operand b) {
        return op("psraw", a, b);
    }

    public Asm psrld(Operand a, long b) {
        return op("psrld", a, new Imm(b));
    }

    public Asm psrld(Operand a, Operand b) {
        return op("psrld", a, b);
    }

    public Asm psrldq(Operand a, long b) {
        return op("psrldq", a, new Imm(b));
    }

    public Asm psrlq(Operand a, long b) {
        return op("psrlq", a, new Imm(b));
    }

    public Asm psrlq(Operand a, Operand b) {
        return op("psrlq", a, b);
    }

    public Asm psrlw(Operand a, long b) {
        return op("psrlw", a, new Imm(b));
    }

    public Asm psrlw(Operand a, Operand b) {
        return op("psrlw", a, b);
    }

    public Asm psubb(Operand a, Operand b) {
        return op("psubb", a, b);
    }

    public Asm psubd(Operand a, Operand b) {
        return op("psubd", a, b);
    }

    public Asm psubq(Operand a, Operand b) {
        return op("psubq", a, b);
    }

    public Asm psubsb(Operand a, Operand b) {
        return op("psubsb", a, b);
    }

    public Asm psubsw(Operand a, Operand b) {
        return op("psubsw", a, b);
    }

    public Asm psubusb(Operand a, Operand b) {
        return op("psubusb", a, b);
    }

    public Asm psubusw(Operand a, Operand b) {
        return op("psubusw", a, b);
    }

    public Asm psubw(Operand a, Operand b) {
        return op("psubw", a, b);
    }

    public Asm ptest(Operand a, Operand b) {
        return op("ptest", a, b);
    }

    public Asm punpckhbw(Operand a, Operand b) {
        return op("punpckhbw", a, b);
    }

    public Asm punpckhdq(Operand a, Operand b) {
        return op("punpckhdq", a, b);
    }

    public Asm punpckhqdq(Operand a, Operand b) {
        return op("punpckhqdq", a, b);
    }

    public Asm punpckhwd(Operand a, Operand b) {
        return op("punpckhwd", a, b);
    }

    public Asm punpcklbw(Operand a, Operand b) {
        return op("punpcklbw", a, b);
    }

    public Asm punpckldq(Operand a, Operand b) {
        return op("punpckldq", a, b);
    }

    public Asm punpcklqdq(Operand a, Operand b) {
        return op("punpcklqdq", a, b);
    }

    public Asm punpcklwd(Operand a, Operand b) {
        return op("punpcklwd", a, b);
    }

    public Asm push(Operand a) {
        return op("push", a);
    }

    public Asm push(long a) {
        return op("push", new Imm(a));
    }

    public Asm pushad() {
        return op("pushad");
    }

    public Asm pushaw() {
        return op("pushaw");
    }

    public Asm pushd(long a) {
        return op("pushd", new Imm(a));
    }

    public Asm pushd(Operand a) {
        return op("pushd", a);
    }

    public Asm pushfd() {
        return op("pushfd");
    }

    public Asm pushfq() {
        return op("pushfq");
    }

    public Asm pushfw() {
        return op("pushfw");
    }

    public Asm pushw(long a) {
        return op("pushw", new Imm(a));
    }

    public Asm pushw(Operand a) {
        return op("pushw", a);
    }

    public Asm pxor(Operand a, Operand b) {
        return op("pxor", a, b);
    }

    public Asm rcl(Operand a, long b) {
        return op("rcl", a, new Imm(b));
    }

    public Asm rcl(Operand a, Operand b) {
        return op("rcl", a, b);
    }

    public Asm rcpps(Operand a, Operand b) {
        return op("rcpps", a, b);
    }

    public Asm rcpss(Operand a, Operand b) {
        return op("rcpss", a, b);
    }

    public Asm rcr(Operand a, long b) {
        return op("rcr", a, new Imm(b));
    }

    public Asm rcr(Operand a, Operand b) {
        return op("rcr", a, b);
    }

    public Asm rdfsbase(Operand a) {
        return op("rdfsbase", a);
    }

    public Asm rdgsbase(Operand a) {
        return op("rdgsbase", a);
    }

    public Asm rdmsr() {
        return op("rdmsr");
    }

    public Asm rdpmc() {
        return op("rdpmc");
    }

    public Asm rdrand(Operand a) {
        return op("rdrand", a);
    }

    public Asm rdseed(Operand a) {
        return op("rdseed", a);
    }

    public Asm rdtsc() {
        return op("rdtsc");
    }

    public Asm rdtscp() {
        return op("rdtscp");
    }

    public Asm ret() {
        return op("ret");
    }

    public Asm ret(long a) {
        return op("ret", new Imm(a));
    }

    public Asm ret(Operand a) {
        return op("ret", a);
    }

    public Asm retfd() {
        return op("retfd");
    }

    public Asm retfd(long a) {
        return op("retfd", new Imm(a));
    }

    public Asm retfd(Operand a) {
        return op("retfd", a);
    }

    public Asm retfq() {
        return op("retfq");
    }

    public Asm retfq(long a) {
        return op("retfq", new Imm(a));
    }

    public Asm retfq(Operand a) {
        return op("retfq", a);
    }

    public Asm retfw() {
        return op("retfw");
    }

    public Asm retfw(long a) {
        return op("retfw", new Imm(a));
    }

    public Asm retfw(Operand a) {
        return op("retfw", a);
    }

    public Asm rol(Operand a, long b) {
        return op("rol", a, new Imm(b));
    }

    public Asm rol(Operand a, Operand b) {
        return op("rol", a, b);
    }

    public Asm ror(Operand a, long b) {
        return op("ror", a, new Imm(b));
    }

    public Asm ror(Operand a, Operand b) {
        return op("ror", a, b);
    }

    public Asm roundpd(Operand a, Operand b, long c) {
        return op("roundpd", a, b, new Imm(c));
    }

    public Asm roundps(Operand a, Operand b, long c) {
        return op("roundps", a, b, new Imm(c));
    }

    public Asm roundsd(Operand a, Operand b, long c) {
        return op("roundsd", a, b, new Imm(c));
    }

    public Asm roundss(Operand a, Operand b, long c) {
        return op("roundss", a, b, new Imm(c));
    }

    public Asm rsm() {
        return op("rsm");
    }

    public Asm rsqrtps(Operand a, Operand b) {
        return op("rsqrtps", a, b);
    }

    public Asm rsqrtss(Operand a, Operand b) {
        return op("rsqrtss", a, b);
    }

    public Asm sahf() {
        return op("sahf");
    }

    public Asm sal(Operand a, long b) {
        return op("sal", a, new Imm(b));
    }

    public Asm sal(Operand a, Operand b) {
        return op("sal", a, b);
    }

    public Asm salc() {
        return op("salc");
    }

    public Asm sar(Operand a, long b) {
        return op("sar", a, new Imm(b));
    }

    public Asm sar(Operand a, Operand b) {
        return op("sar", a, b);
    }

    public Asm sbb(Operand a, Operand b) {
        return op("sbb", a, b);
    }

    public Asm sbb(Operand a, long b) {
        return op("sbb", a, new Imm(b));
    }

    public Asm scasb() {
        return op("scasb");
    }

    public Asm scasd() {
        return op("scasd");
    }

    public Asm scasq() {
        return op("scasq");
    }

    public Asm scasw() {
        return op("scasw");
    }

    public Asm seta(Operand a) {
        return op("seta", a);
    }

    public Asm setae(Operand a) {
        return op("setae", a);
    }

    public Asm setb(Operand a) {
        return op("setb", a);
    }

    public Asm setbe(Operand a) {
        return op("setbe", a);
    }

    public Asm setc(Operand a) {
        return op("setc", a);
    }

    public Asm sete(Operand a) {
        return op("sete", a);
    }

    public Asm setg(Operand a) {
        return op("setg", a);
    }

    public Asm setge(Operand a) {
        return op("setge", a);
    }

    public Asm setl(Operand a) {
        return op("setl", a);
    }

    public Asm setle(Operand a) {
        return op("setle", a);
    }

    public Asm setnc(Operand a) {
        return op("setnc", a);
    }

    public Asm setne(Operand a) {
        return op("setne", a);
    }

    public Asm setno(Operand a) {
        return op("setno", a);
    }

    public Asm setnp(Operand a) {
        return op("setnp", a);
    }

    public Asm setns(Operand a) {
        return op("setns", a);
    }

    public Asm setnz(Operand a) {
        return op("setnz", a);
    }

    public Asm seto(Operand a) {
        return op("seto", a);
    }

    public Asm setp(Operand a) {
        return op("setp", a);
    }

    public Asm setpe(Operand a) {
        return op("setpe", a);
    }

    public Asm setpo(Operand a) {
        return op("setpo", a);
    }

    public Asm sets(Operand a) {
        return op("sets", a);
    }

    public Asm setz(Operand a) {
        return op("setz", a);
    }

    public Asm sfence() {
        return op("sfence");
    }

    public Asm sgdt(Operand a) {
        return op("sgdt", a);
    }

    public Asm shl(Operand a, long b) {
        return op("shl", a, new Imm(b));
    }

    public Asm shl(Operand a, Operand b) {
        return op("shl", a, b);
    }

    public Asm shld(Operand a, Operand b, long c) {
        return op("shld", a, b, new Imm(c));
    }

    public Asm shld(Operand a, Operand b, Operand c) {
        return op("shld", a, b, c);
    }

    public Asm shr(Operand a, long b) {
        return op("shr", a, new Imm(b));
    }

    public Asm shr(Operand a, Operand b) {
        return op("shr", a, b);
    }

    public Asm shrd(Operand a, Operand b, long c) {
        return op("shrd", a, b, new Imm(c));
    }

    public Asm shrd(Operand a, Operand b, Operand c) {
        return op("shrd", a, b, c);
    }

    public Asm shufpd(Operand a, Operand b, long c) {
        return op("shufpd", a, b, new Imm(c));
    }

    public Asm shufps(Operand a, Operand b, long c) {
        return op("shufps", a, b, new Imm(c));
    }

    public Asm sidt(Operand a) {
        return op("sidt", a);
    }

    public Asm sldt(Operand a) {
        return op("sldt", a);
    }

    public Asm smsw(Operand a) {
        return op("smsw", a);
    }

    public Asm sqrtpd(Operand a, Operand b) {
        return op("sqrtpd", a, b);
    }

    public Asm sqrtps(Operand a, Operand b) {
        return op("sqrtps", a, b);
    }

    public Asm sqrtsd(Operand a, Operand b) {
        return op("sqrtsd", a, b);
    }

    public Asm sqrtss(Operand a, Operand b) {
        return op("sqrtss", a, b);
    }

    public Asm stac() {
        return op("stac");
    }

    public Asm stc() {
        return op("stc");
    }

    public Asm std() {
        return op("std");
    }

    public Asm sti() {
        return op("sti");
    }

    public Asm stmxcsr(Operand a) {
        return op("stmxcsr", a);
    }

    public Asm stosb() {
        return op("stosb");
    }

    public Asm stosd() {
        return op("stosd");
    }

    public Asm stosq() {
        return op("stosq");
    }

    public Asm stosw() {
        return op("stosw");
    }

    public Asm str(Operand a) {
        return op("str", a);
    }

    public Asm sub(Operand a, Operand b) {
        return op("sub", a, b);
    }

    public Asm sub(Operand a, long b) {
        return op("sub", a, new Imm(b));
    }

    public Asm subpd(Operand a, Operand b) {
        return op("subpd", a, b);
    }

    public Asm subps(Operand a, Operand b) {
        return op("subps", a, b);
    }

    public Asm subsd(Operand a, Operand b) {
        return op("subsd", a, b);
    }

    public Asm subss(Operand a, Operand b) {
        return op("subss", a, b);
    }

    public Asm swapgs() {
        return op("swapgs");
    }

    public Asm syscall() {
        return op("syscall");
    }

    public Asm sysenter() {
        return op("sysenter");
    }

    public Asm sysexit() {
        return op("sysexit");
    }

    public Asm sysexitq() {
        return op("sysexitq");
    }

    public Asm sysretd() {
        return op("sysretd");
    }

    public Asm sysretq() {
        return op("sysretq");
    }

    public Asm test(Operand a, Operand b) {
        return op("test", a, b);
    }

    public Asm test(Operand a, long b) {
        return op("test", a, new Imm(b));
    }

    public Asm tzcnt(Operand a, Operand b) {
        return op("tzcnt", a, b);
    }

    public Asm ucomisd(Operand a, Operand b) {
        return op("ucomisd", a, b);
    }

    public Asm ucomiss(Operand a, Operand b) {
        return op("ucomiss", a, b);
    }

    public Asm ud2() {
        return op("ud2");
    }

    public Asm unpckhpd(Operand a, Operand b) {
        return op("unpckhpd", a, b);
    }

    public Asm unpckhps(Operand a, Operand b) {
        return op("unpckhps", a, b);
    }

    public Asm unpcklpd(Operand a, Operand b) {
        return op("unpcklpd", a, b);
    }

    public Asm unpcklps(Operand a, Operand b) {
        return op("unpcklps", a, b);
    }

    public Asm verr(Operand a) {
        return op("verr", a);
    }

    public Asm verw(Operand a) {
        return op("verw", a);
    }

    public Asm vmcall() {
        return op("vmcall");
    }

    public Asm vmmcall() {
        return op("vmmcall");
    }

    public Asm wbinvd() {
        return op("wbinvd");
    }

    public Asm wrfsbase(Operand a) {
        return op("wrfsbase", a);
    }

    public Asm wrgsbase(Operand a) {
        return op("wrgsbase", a);
    }

    public Asm wrmsr() {
        return op("wrmsr");
    }

    public Asm xadd(Operand a, Operand b) {
        return op("xadd", a, b);
    }

    public Asm xchg(Operand a, Operand b) {
        return op("xchg", a, b);
    }

    public Asm xgetbv() {
        return op("xgetbv");
    }

    public Asm xlatb() {
        return op("xlatb");
    }

    public Asm xor(Operand a, Operand b) {
        return op("xor", a, b);
    }

    public Asm xor(Operand a, long b) {
        return op("xor", a, new Imm(b));
    }

    public Asm xorpd(Operand a, Operand b) {
        return op("xorpd", a, b);
    }

    public Asm xorps(Operand a, Operand b) {
        return op("xorps", a, b);
    }

    public Asm xrstor(Operand a) {
        return op("xrstor", a);
    }

    public Asm xrstor64(Operand a) {
        return op("xrstor64", a);
    }

    public Asm xsave(Operand a) {
        return op("xsave", a);
    }

    public Asm xsave64(Operand a) {
        return op("xsave64", a);
    }

    public Asm xsaveopt(Operand a) {
        return op("xsaveopt", a);
    }

    public Asm xsaveopt64(Operand a) {
        return op("xsaveopt64", a);
    }

    public Asm xsetbv() {
        return op("xsetbv");
    }
}
