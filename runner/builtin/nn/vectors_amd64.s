#include "textflag.h"

// Constants, each eight times.
#define EIGHT(name, value) \
	DATA name<>+0(SB)/4, $value; \
	DATA name<>+4(SB)/4, $value; \
	DATA name<>+8(SB)/4, $value; \
	DATA name<>+12(SB)/4, $value; \
	DATA name<>+16(SB)/4, $value; \
	DATA name<>+20(SB)/4, $value; \
	DATA name<>+24(SB)/4, $value; \
	DATA name<>+28(SB)/4, $value; \
	GLOBL name<>(SB), RODATA|NOPTR, $32

EIGHT(log2e, 0x3fb8aa3b)
EIGHT(magic, 0x4b400000)
EIGHT(high, 0x3f318000)
EIGHT(low, 0xb95e8083)
EIGHT(exp0, 0x39506967)
EIGHT(exp1, 0x3ab743ce)
EIGHT(exp2, 0x3c088908)
EIGHT(exp3, 0x3d2aa9c1)
EIGHT(exp4, 0x3e2aaaaa)
EIGHT(exp5, 0x3f000000)
EIGHT(one, 0x3f800000)
EIGHT(two, 0x40000000)
EIGHT(half, 0x3f000000)
EIGHT(least, 0xc2ae999a)
EIGHT(most, 0x42b00000)
EIGHT(bias127, 127)
EIGHT(sign, 0x80000000)
EIGHT(root, 0x3f3504f3)
EIGHT(erf, 0x3ea7ba05)
EIGHT(erf1, 0x3e827906)
EIGHT(erf2, 0xbe91a98e)
EIGHT(erf3, 0x3fb5f0e3)
EIGHT(erf4, 0xbfba00e3)
EIGHT(erf5, 0x3f87dc22)

// EXP is e^Y0 as the function exp in Go has it. It changes Y1 to Y4.
#define EXP \
	VCMPPS $1, least<>(SB), Y0, Y4; \
	VMOVUPS most<>(SB), Y1; \
	VMINPS Y0, Y1, Y0; \
	VMULPS log2e<>(SB), Y0, Y1; \
	VADDPS magic<>(SB), Y1, Y1; \
	VSUBPS magic<>(SB), Y1, Y1; \
	VFNMADD231PS high<>(SB), Y1, Y0; \
	VFNMADD231PS low<>(SB), Y1, Y0; \
	VMOVUPS exp0<>(SB), Y2; \
	VFMADD213PS exp1<>(SB), Y0, Y2; \
	VFMADD213PS exp2<>(SB), Y0, Y2; \
	VFMADD213PS exp3<>(SB), Y0, Y2; \
	VFMADD213PS exp4<>(SB), Y0, Y2; \
	VFMADD213PS exp5<>(SB), Y0, Y2; \
	VMULPS Y0, Y2, Y2; \
	VFMADD213PS Y0, Y0, Y2; \
	VADDPS one<>(SB), Y2, Y2; \
	VCVTPS2DQ Y1, Y1; \
	VPADDD bias127<>(SB), Y1, Y1; \
	VPSLLD $23, Y1, Y1; \
	VMULPS Y1, Y2, Y2; \
	VANDNPS Y2, Y4, Y0

// func affine8(dst, x, factor, shift *float32, channels, rows int)
TEXT ·affine8(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ channels+32(FP), BX
	MOVQ rows+40(FP), DX
	MOVQ factor+16(FP), R8
	MOVQ shift+24(FP), R9

affineRow:
	XORQ CX, CX

affineNext:
	VMOVUPS (R8)(CX*4), Y0
	VMOVUPS (R9)(CX*4), Y1
	VFMADD231PS (SI), Y0, Y1
	VMOVUPS Y1, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $8, CX
	CMPQ CX, BX
	JLT affineNext
	DECQ DX
	JNZ affineRow
	VZEROUPPER
	RET

// func affineSiLU8(dst, x, factor, shift *float32, channels, rows int)
TEXT ·affineSiLU8(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ channels+32(FP), BX
	MOVQ rows+40(FP), DX
	MOVQ factor+16(FP), R8
	MOVQ shift+24(FP), R9

siluRow:
	XORQ CX, CX

siluNext:
	VMOVUPS (R8)(CX*4), Y0
	VMOVUPS (R9)(CX*4), Y5
	VFMADD231PS (SI), Y0, Y5
	VXORPS sign<>(SB), Y5, Y0
	EXP
	VADDPS one<>(SB), Y0, Y0
	VDIVPS Y0, Y5, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $8, CX
	CMPQ CX, BX
	JLT siluNext
	DECQ DX
	JNZ siluRow
	VZEROUPPER
	RET

// func sigmoid8(x *float32, n int, factor float32)
TEXT ·sigmoid8(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VBROADCASTSS factor+16(FP), Y6
	VXORPS sign<>(SB), Y6, Y6

sigmoidNext:
	VMOVUPS (SI), Y5
	VMULPS Y6, Y5, Y0
	EXP
	VADDPS one<>(SB), Y0, Y0
	VDIVPS Y0, Y5, Y0
	VMOVUPS Y0, (SI)
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ sigmoidNext
	VZEROUPPER
	RET

// func geglu8(dst, value, gate *float32, n int)
TEXT ·geglu8(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ value+8(FP), SI
	MOVQ gate+16(FP), DX
	MOVQ n+24(FP), CX

gegluNext:
	VMOVUPS (DX), Y5
	VMULPS root<>(SB), Y5, Y6
	VMOVUPS sign<>(SB), Y7
	VANDNPS Y6, Y7, Y6
	VMULPS Y6, Y6, Y0
	VXORPS Y7, Y0, Y0
	EXP
	VMOVUPS one<>(SB), Y7

	// t = 1 / (1 + 0.3275911 a)
	VMOVAPS Y7, Y8
	VFMADD231PS erf<>(SB), Y6, Y8
	VDIVPS Y8, Y7, Y8
	VMOVUPS erf5<>(SB), Y9
	VFMADD213PS erf4<>(SB), Y8, Y9
	VFMADD213PS erf3<>(SB), Y8, Y9
	VFMADD213PS erf2<>(SB), Y8, Y9
	VFMADD213PS erf1<>(SB), Y8, Y9
	VMULPS Y8, Y9, Y9
	VMULPS Y0, Y9, Y9

	// tail where x < 0, else 2 - tail
	VMOVUPS two<>(SB), Y10
	VSUBPS Y9, Y10, Y10
	VBLENDVPS Y5, Y9, Y10, Y9
	VMULPS half<>(SB), Y5, Y5
	VMULPS Y9, Y5, Y5
	VMULPS (SI), Y5, Y5
	VMOVUPS Y5, (DI)
	ADDQ $32, DI
	ADDQ $32, SI
	ADDQ $32, DX
	SUBQ $8, CX
	JNZ gegluNext
	VZEROUPPER
	RET

// func softmax8(x *float32, n int, scale float32)
TEXT ·softmax8(SB), NOSPLIT, $0-20
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), BX
	VBROADCASTSS scale+16(FP), Y7
	VMOVUPS (SI), Y5
	MOVQ $8, CX
	JMP topTest

topNext:
	VMAXPS (SI)(CX*4), Y5, Y5
	ADDQ $8, CX

topTest:
	CMPQ CX, BX
	JLT topNext
	VEXTRACTF128 $1, Y5, X0
	VMAXPS X0, X5, X5
	VPERMILPS $0x4e, X5, X0
	VMAXPS X0, X5, X5
	VPERMILPS $0xb1, X5, X0
	VMAXPS X0, X5, X5
	VBROADCASTSS X5, Y5
	VXORPS Y6, Y6, Y6
	XORQ CX, CX

raiseNext:
	VMOVUPS (SI)(CX*4), Y0
	VSUBPS Y5, Y0, Y0
	VMULPS Y7, Y0, Y0
	EXP
	VMOVUPS Y0, (SI)(CX*4)
	VADDPS Y0, Y6, Y6
	ADDQ $8, CX
	CMPQ CX, BX
	JLT raiseNext
	VEXTRACTF128 $1, Y6, X0
	VADDPS X0, X6, X6
	VPERMILPS $0x4e, X6, X0
	VADDPS X0, X6, X6
	VPERMILPS $0xb1, X6, X0
	VADDPS X0, X6, X6
	VBROADCASTSS X6, Y6
	VMOVUPS one<>(SB), Y0
	VDIVPS Y6, Y0, Y6
	XORQ CX, CX

shareNext:
	VMULPS (SI)(CX*4), Y6, Y0
	VMOVUPS Y0, (SI)(CX*4)
	ADDQ $8, CX
	CMPQ CX, BX
	JLT shareNext
	VZEROUPPER
	RET

// func sum8(dst, a, b *float32, n int)
TEXT ·sum8(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ n+24(FP), BX
	XORQ CX, CX

sumNext:
	VMOVUPS (SI)(CX*4), Y0
	VADDPS (DX)(CX*4), Y0, Y0
	VMOVUPS Y0, (DI)(CX*4)
	ADDQ $8, CX
	CMPQ CX, BX
	JLT sumNext
	VZEROUPPER
	RET

// func sums8(sums *float64, x *float32, channels, rows int)
TEXT ·sums8(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ channels+16(FP), BX
	MOVQ rows+24(FP), R8
	LEAQ (DI)(BX*8), R9
	MOVQ BX, R10
	SHLQ $2, R10
	XORQ CX, CX

sumsColumn:
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7
	LEAQ (SI)(CX*4), AX
	MOVQ R8, DX

sumsRow:
	VCVTPS2PD (AX), Y0
	VCVTPS2PD 16(AX), Y1
	VADDPD Y0, Y4, Y4
	VADDPD Y1, Y5, Y5
	VFMADD231PD Y0, Y0, Y6
	VFMADD231PD Y1, Y1, Y7
	ADDQ R10, AX
	DECQ DX
	JNZ sumsRow
	VMOVUPD Y4, (DI)(CX*8)
	VMOVUPD Y5, 32(DI)(CX*8)
	VMOVUPD Y6, (R9)(CX*8)
	VMOVUPD Y7, 32(R9)(CX*8)
	ADDQ $8, CX
	CMPQ CX, BX
	JLT sumsColumn
	VZEROUPPER
	RET

// func moments8(x *float32, n int) (sum, square float64)
TEXT ·moments8(SB), NOSPLIT, $0-32
	MOVQ x+0(FP), SI
	MOVQ n+8(FP), CX
	VXORPD Y4, Y4, Y4
	VXORPD Y5, Y5, Y5
	VXORPD Y6, Y6, Y6
	VXORPD Y7, Y7, Y7

momentsNext:
	VCVTPS2PD (SI), Y0
	VCVTPS2PD 16(SI), Y1
	VADDPD Y0, Y4, Y4
	VADDPD Y1, Y5, Y5
	VFMADD231PD Y0, Y0, Y6
	VFMADD231PD Y1, Y1, Y7
	ADDQ $32, SI
	SUBQ $8, CX
	JNZ momentsNext
	VADDPD Y5, Y4, Y4
	VADDPD Y7, Y6, Y6
	VHADDPD Y6, Y4, Y4
	VEXTRACTF128 $1, Y4, X0
	VADDPD X0, X4, X4
	VMOVUPD X4, sum+16(FP)
	VZEROUPPER
	RET
